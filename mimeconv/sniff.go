package mimeconv

import (
	"io"
	"net/http"
	"path"
	"strings"
)

const (
	generic  = "application/octet-stream"
	zipKind  = "application/zip"
	oleKind  = "application/x-ole-storage"
	textKind = "text/plain"
)

// signatures are the first octets of files, with their media type and the usual ending of their
// names.
var signatures = []struct{ start, kind, ending string }{
	{"%PDF-", "application/pdf", "pdf"},
	{"\x89PNG\r\n\x1a\n", "image/png", "png"},
	{"\xff\xd8\xff", "image/jpeg", "jpg"},
	{"GIF87a", "image/gif", "gif"},
	{"GIF89a", "image/gif", "gif"},
	{"II*\x00", "image/tiff", "tif"},
	{"MM\x00*", "image/tiff", "tif"},
	{"PK\x03\x04", zipKind, "zip"},
	{"PK\x05\x06", zipKind, "zip"}, // an empty archive
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", oleKind, ""},
	{"{\\rtf", "application/rtf", "rtf"},
	{"%!PS", "application/postscript", "ps"},
	{"Rar!\x1a\x07", "application/vnd.rar", "rar"},
	{"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed", "7z"},
	{"\x1f\x8b", "application/gzip", "gz"},
	{"MSCF\x00\x00\x00\x00", "application/vnd.ms-cab-compressed", "cab"},
	{"ITSF", "application/vnd.ms-htmlhelp", "chm"},
	{"MZ", "application/vnd.microsoft.portable-executable", "exe"},
	{"\x7fELF", "application/x-elf", "elf"},
	{"\xfe\xed\xfa\xce", "application/x-mach-binary", "macho"},
	{"\xfe\xed\xfa\xcf", "application/x-mach-binary", "macho"},
	{"\xce\xfa\xed\xfe", "application/x-mach-binary", "macho"},
	{"\xcf\xfa\xed\xfe", "application/x-mach-binary", "macho"},
	{"\xca\xfe\xba\xbe", "application/java-vm", "class"},
	{"L\x00\x00\x00\x01\x14\x02\x00", "application/x-ms-shortcut", "lnk"},
	{"#!", "text/x-shellscript", "sh"},
}

// kinds are the media types of files by the endings of their names. Files of some begin as a ZIP
// archive or as an OLE storage.
var kinds = map[string]struct{ kind, container string }{
	"docx": {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", zipKind},
	"xlsx": {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", zipKind},
	"pptx": {"application/vnd.openxmlformats-officedocument.presentationml.presentation", zipKind},
	"docm": {"application/vnd.ms-word.document.macroenabled.12", zipKind},
	"xlsm": {"application/vnd.ms-excel.sheet.macroenabled.12", zipKind},
	"pptm": {"application/vnd.ms-powerpoint.presentation.macroenabled.12", zipKind},
	"odt":  {"application/vnd.oasis.opendocument.text", zipKind},
	"ods":  {"application/vnd.oasis.opendocument.spreadsheet", zipKind},
	"odp":  {"application/vnd.oasis.opendocument.presentation", zipKind},
	"epub": {"application/epub+zip", zipKind},
	"jar":  {"application/java-archive", zipKind},
	"apk":  {"application/vnd.android.package-archive", zipKind},
	"doc":  {"application/msword", oleKind},
	"xls":  {"application/vnd.ms-excel", oleKind},
	"ppt":  {"application/vnd.ms-powerpoint", oleKind},
	"msg":  {"application/vnd.ms-outlook", oleKind},
	"msi":  {"application/x-msi", oleKind},
	"txt":  {textKind, ""},
	"log":  {textKind, ""},
	"csv":  {"text/csv", ""},
	"ics":  {"text/calendar", ""},
	"vcf":  {"text/vcard", ""},
	"json": {"application/json", ""},
	"xml":  {"application/xml", ""},
	"eml":  {"message/rfc822", ""},
}

// nature is what a file is.
type nature struct {
	kind   string // media type
	ending string // of the names of files with this content, without the dot; "" if the content does not show it
}

// sniff returns what a file is. What its content shows counts for more than what the part declares,
// and that for more than its name.
func sniff(name, declared string, content io.Reader) nature {
	first := make([]byte, 1<<10)
	n, _ := io.ReadFull(content, first)
	head := string(first[:n])
	shown := signature(head)
	isText := strings.HasPrefix(http.DetectContentType(first[:n]), "text/")
	switch {
	case shown.kind == zipKind || shown.kind == oleKind:
		return contained(shown, name, declared)
	case shown.kind != "":
		return shown
	case hasSignature(declared), !isText && (declared == generic || strings.HasPrefix(declared, "text/")):
		return nature{kind: generic}
	case declared != generic:
		return nature{kind: declared}
	}
	if k := kinds[endingOf(name)]; k.kind != "" && k.container == "" {
		return nature{kind: k.kind}
	}
	return nature{kind: textKind}
}

// endingOf returns the ending of a file name in lower case, without its dot.
func endingOf(name string) string { return strings.ToLower(strings.TrimPrefix(path.Ext(name), ".")) }

// contained returns what a file is that begins as the container of other types.
func contained(shown nature, name, declared string) nature {
	end := endingOf(name)
	if k := kinds[end]; k.container == shown.kind {
		return nature{k.kind, end}
	}
	for end, k := range kinds {
		if k.kind == declared && k.container == shown.kind {
			return nature{declared, end}
		}
	}
	if shown.kind == oleKind {
		return nature{kind: generic}
	}
	return shown
}

// signature returns what the first octets of a file show, the zero nature for nothing.
func signature(head string) nature {
	for _, s := range signatures {
		if strings.HasPrefix(head, s.start) && (s.ending != "exe" || strings.Contains(head, "\x00")) { // MZ can be text
			return nature{s.kind, s.ending}
		}
	}
	if strings.HasPrefix(head, "RIFF") && len(head) >= 12 && head[8:12] == "WEBP" {
		return nature{"image/webp", "webp"}
	}
	start := strings.ToLower(strings.TrimLeft(strings.TrimPrefix(head, "\xef\xbb\xbf"), " \t\r\n"))
	isXML := strings.HasPrefix(start, "<?xml") || strings.HasPrefix(start, "<!")
	switch {
	case strings.HasPrefix(start, "<svg"), isXML && strings.Contains(start, "<svg"):
		return nature{"image/svg+xml", "svg"}
	case strings.HasPrefix(http.DetectContentType([]byte(head)), "text/html"):
		return nature{"text/html", "html"}
	}
	return nature{}
}

// hasSignature reports whether all files of a media type have a signature.
func hasSignature(kind string) bool {
	for _, s := range signatures {
		if s.kind == kind {
			return true
		}
	}
	for _, k := range kinds {
		if k.kind == kind && k.container != "" {
			return true
		}
	}
	return kind == "image/webp"
}

// typeNames are what people call files whose names have another ending.
var typeNames = map[string]string{
	"application/pdf": "PDF",
	"image/jpeg":      "JPEG",
	"image/png":       "PNG",
	"image/gif":       "GIF",
	"image/tiff":      "TIFF",
	"text/html":       "HTML",
	"text/csv":        "CSV",
	zipKind:           "ZIP",
}

// typeName returns what people call the type of a file: it is the same in all languages.
func typeName(kind, name string) string {
	if known := typeNames[kind]; known != "" {
		return known
	}
	end := endingOf(name)
	isPlain := func(r rune) bool { return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' }
	if end != "" && len(end) <= 5 && !strings.ContainsFunc(end, func(r rune) bool { return !isPlain(r) }) {
		return strings.ToUpper(end)
	}
	if kind == generic {
		return "file"
	}
	return kind
}
