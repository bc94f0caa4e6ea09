package mimeconv

import (
	"bytes"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

// encodings are those that a stream decodes, and some that it does not know.
var encodings = []string{
	"", "7bit", "8bit", "BINARY", "base64", "Base64 (comment)", "quoted-printable", "Quoted_Printable", "x-uuencode",
	"uue", "x-unknown",
}

// FuzzStream checks that a file is read as the plain decoders below decode it, however much is
// read at a time, and again from the first octet.
func FuzzStream(f *testing.F) {
	for _, raw := range streamed {
		for i := range encodings {
			f.Add([]byte(raw), i)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, encoding int) {
		checkStream(t, raw, encodings[uint(encoding)%uint(len(encodings))])
	})
}

// streamed are contents of parts.
var streamed = []string{
	"", "\r\n", "=", "==", "====", "A", "AB", "ABC", "ABCD", "ABCDE", "ABCDE=", "QQ==", "QQ=\r\n=", "QUI=",
	"QUI=QUI=", "QQ==\r\nQUI=\r\n", "QUJD\r\nREVG\r\n", "QUJD!REVG", "QU JD\tRE VG", "QUJD=\r\nfooter",
	"QUJ\r\nDRE\r\nVG", "Q=UJD", "QUJDRA==QUJDRA", "A=B=C=", "plain words, not base64: a, b, c.",
	strings.Repeat(" ", 200) + "QUJD", strings.Repeat("QUJD", 300) + strings.Repeat(" . ", 500),
	strings.Repeat("QUJD \t", 400), "a=41b=\r\nc \t\r\nd=4", "=0D=0A\r\n=3d=3D=", "x = \n\n =\n", "no end",
	"=E4=F6=FC", "a\n", "a \r\n \r\n", "begin 644 a\n#0V%T\n`\nend\n", "begin 644 a\r\n#0V%T\r\n`\r\nend",
	"begin 644 a\n#0V%T\n", "begin 644 a\nbegin 644 b\n#0V%T\nend\n",
	"x\nbegin 644 a\n#0V%T\nend\nbegin 644 b\n#0V%T\nend\n", "begin 644 a\nend\nbegin 644 b\n#0V%T\nend\n",
	"begin 644 a\r#0V%T\rend\r", "begin 644 a\n\x1b[1m#0V%T\n\x00`\nend\n",
	"begin 644 a\n#0V%T\nno uuencode\nend\n",
}

// TestStreams reads contents that were damaged at random as FuzzStream does.
func TestStreams(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 1))
	letters := "AQz9+/= \t\r\n=!`#M\x00é"
	for range 4000 {
		raw := []byte(streamed[random.IntN(len(streamed))])
		if random.IntN(3) == 0 {
			raw = []byte(base64.StdEncoding.EncodeToString(raw))
		}
		for range random.IntN(6) {
			at, c := random.IntN(len(raw)+1), letters[random.IntN(len(letters))]
			raw = append(raw[:at:at], append([]byte{c}, raw[at:]...)...)
		}
		for _, encoding := range encodings {
			checkStream(t, raw, encoding)
		}
	}
}

func checkStream(t *testing.T, raw []byte, encoding string) {
	t.Helper()
	before := bytes.Clone(raw)
	want, warning := plainTransfer(raw, encoding)
	s := newStream(raw, encoding)
	if s.size != int64(len(want)) || s.warning != warning {
		t.Fatalf("%s of %q: %d octets, %+v; want %d, %+v", encoding, raw, s.size, s.warning, len(want), warning)
	}
	for name, reader := range map[string]io.Reader{
		"at once":       s.open(),
		"by octets":     iotest.OneByteReader(s.open()),
		"by some":       struct{ io.Reader }{io.MultiReader(io.LimitReader(s.open(), s.size/2), skip(s.open(), s.size/2))},
		"data with EOF": iotest.DataErrReader(s.open()),
	} {
		got, err := io.ReadAll(reader)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s of %q, read %s: %q, %v; want %q", encoding, raw, name, got, err, want)
		}
	}
	whole, w := decodeTransfer(raw, encoding)
	if !bytes.Equal(whole, want) || w != warning {
		t.Fatalf("%s of %q: decoded %q, %+v; want %q, %+v", encoding, raw, whole, w, want, warning)
	}
	if !bytes.Equal(raw, before) {
		t.Fatalf("%s of %q changed it to %q", encoding, before, raw)
	}
}

// skip returns r without its first n octets.
func skip(r io.Reader, n int64) io.Reader {
	_, _ = io.CopyN(io.Discard, r, n)
	return r
}

// The decoders in their plain form, which keeps all octets.

func plainTransfer(raw []byte, encoding string) ([]byte, Warning) {
	switch encodingName(encoding) {
	case "", "7bit", "8bit", "binary":
		return raw, Warning{}
	case "quotedprintable":
		data, isClean := plainPrintable(raw)
		return data, printableWarning(!isClean)
	case "base64":
		if mayBeBase64(raw) {
			data, isClean := plainBase64(raw)
			if isClean || looksBase64(raw) {
				return data, base64Warning(!isClean)
			}
		}
		return raw, Warning{Code: EncodingRepaired, Detail: notBase64}
	}
	if isUU(encoding) {
		text, _ := cleanText(raw)
		if _, files := cutUU(text); len(files) == 1 {
			return files[0].raw, Warning{}
		}
	}
	return raw, unknownEncoding(encoding)
}

func plainPrintable(raw []byte) (data []byte, isClean bool) {
	isClean = true
	for len(raw) > 0 {
		var line []byte
		line, raw = cutAfterLine(raw)
		text := bytes.TrimRight(line, " \t\r\n")
		end := line[len(bytes.TrimRight(line, "\r\n")):]
		if len(end) > 2 { // of several CR, one belongs to the line end
			end = end[len(end)-2:]
		}
		if !bytes.HasSuffix(line, []byte("\n")) {
			end = nil
		}
		if bytes.HasSuffix(text, []byte("=")) {
			text, end = text[:len(text)-1], nil
		}
		for i := 0; i < len(text); i++ {
			c, isOctet := hexPair(text[i+1:])
			switch {
			case text[i] == '=' && isOctet:
				data = append(data, c)
				i += 2
			default:
				isClean = isClean && text[i] != '='
				data = append(data, text[i])
			}
		}
		data = append(data, end...)
	}
	return data, isClean
}

func plainBase64(raw []byte) (data []byte, isClean bool) {
	isClean = true
	var digits []byte
	flush := func() {
		octets, _ := base64.RawStdEncoding.DecodeString(string(digits[:len(digits)-len(digits)%4]))
		last, _ := base64.RawStdEncoding.DecodeString(string(digits[len(digits)-len(digits)%4:]))
		data = append(append(data, octets...), last...)
		digits = nil
	}
	inPieces := false
	for i, c := range raw {
		switch {
		case isBase64(c):
			digits = append(digits, c)
		case c == '=':
			rest := bytes.TrimLeft(raw[i:], "= \t\r\n")
			inPieces = inPieces || len(rest) > 0 && isWholeBase64(rest)
			if !inPieces {
				isClean = isClean && len(rest) == 0 && len(digits)%4 != 1
				flush()
				return data, isClean
			}
			isClean = false
			flush()
		case !bytes.ContainsRune([]byte("\r\n \t"), rune(c)):
			isClean = false
		}
	}
	isClean = isClean && len(digits)%4 != 1
	flush()
	return data, isClean
}
