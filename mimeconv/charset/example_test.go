package charset_test

import (
	"fmt"

	"heyrelay/mimeconv/charset"
)

// A wrong label is ignored.
func ExampleDecode() {
	text, used, how := charset.Decode([]byte("Gr\xc3\xbc\xc3\x9fe"), "iso-8859-1", false)
	fmt.Println(string(text), used, how == charset.Guessed)
	text, used, how = charset.Decode([]byte("Gr\xfc\xdfe"), "iso-8859-1", false)
	fmt.Printf("%s %q %v\n", text, used, how == charset.Declared)
	// Output:
	// Grüße utf-8 true
	// Grüße "" true
}
