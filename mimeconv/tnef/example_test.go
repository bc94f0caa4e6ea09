package tnef_test

import (
	"fmt"

	"heyrelay/mimeconv/tnef"
)

func ExampleRead() {
	data := tnef.Signature + "\x00\x00" + // and a key
		"\x01\x0c\x80\x02\x00\x05\x00\x00\x00See.\x00\x00\x00" + // the text
		"\x02\x02\x90\x06\x00\x00\x00\x00\x00\x00\x00" + // a file begins
		"\x02\x10\x80\x01\x00\x06\x00\x00\x00a.txt\x00\x00\x00" // its name
	m := tnef.Read([]byte(data))
	fmt.Printf("%s %s\n", m.Text.Data, m.Files[0].Name.Data)
	// Output:
	// See. a.txt
}
