package charset

import (
	"cmp"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"github.com/cention-sany/utf7"
)

// families lists, for each charset, the labels that golang.org/x/text does not know: those of
// IANA's registry, Java, glibc, PHP's mbstring, Python and Windows. Labels are squeezed (see
// squeeze), and numbers are those of code pages of IBM and Windows.
var families = map[string]string{
	"us-ascii": "ascii usascii ascii7 7bit 646 iso646us isoir6us default 367 20127 ansix341986 ansix341968 ansix34 " +
		"iso646irv1991 iso646irv1983",
	"utf-8": "utf8 utf u8 utf8strict utf8mb3 utf8mb4 utf8n utf8bom utf8sig 65001 unicode11utf8 iso10646utf8 " +
		"utf8mac cesu8",
	"utf-16":   "utf16 u16 ucs2 iso10646ucs2 isoucs2 iso10646",
	"utf-16be": "utf16be ucs2be unicodebig unicodebigunmarked 1201",
	"utf-16le": "utf16le utf16lebom ucs2le unicodelittle unicodelittleunmarked 1200",
	"utf-32":   "utf32 u32 ucs4 iso10646ucs4 isoucs4",
	"utf-32be": "utf32be utf32bebom ucs4be 12001",
	"utf-32le": "utf32le utf32lebom ucs4le 12000",
	"utf-7":    "utf7 u7 65000 unicode11utf7",

	"iso-8859-2":   "iso88592 88592 latin2 l2 912 28592",
	"iso-8859-3":   "iso88593 88593 latin3 l3 913 28593",
	"iso-8859-4":   "iso88594 88594 latin4 l4 914 28594",
	"iso-8859-5":   "iso88595 88595 cyrillic 915 28595",
	"iso-8859-6":   "iso88596 88596 arabic asmo708 708 1089 28596 ecma114",
	"iso-8859-7":   "iso88597 88597 greek greek8 ecma118 813 9005 4909 28597",
	"iso-8859-8":   "iso88598 88598 hebrew 916 28598",
	"iso-8859-8-i": "iso88598i logical 38598",
	"iso-8859-10":  "iso885910 885910 latin6 l6 919 28600",
	"iso-8859-13":  "iso885913 885913 latin7 l7 baltic isoir179 921 901 902 28603",
	"iso-8859-14":  "iso885914 885914 latin8 l8 isoceltic isoir199 28604",
	"iso-8859-15":  "iso885915 iso885915fdis 885915 latin9 l9 latin0 l0 isolatin9 isolatin0 isoir203 923 28605",
	"iso-8859-16":  "iso885916 885916 latin10 l10 isoir226 romanian 28606",

	"windows-1250": "1250 5346 msee",
	"windows-1251": "1251 5347 mscyrl",
	"windows-1252": "1252 5348 msansi iso88591 88591 iso8859 8859 latin1 l1 latin isolatin1 819 28591 1004 ansi",
	"windows-1253": "1253 5349 msgreek",
	"windows-1254": "1254 5350 msturk iso88599 88599 latin5 l5 920 28599 ts5881",
	"windows-1255": "1255 5351 mshebr",
	"windows-1256": "1256 5352 9448 msarab",
	"windows-1257": "1257 5353 winbaltrim",
	"windows-1258": "1258 5354",
	"windows-874": "874 1162 9066 tis620 tis6200 tis62025291 tis62025330 tis6202533 tis62025290 iso885911 885911 28601 " +
		"isoir166 thai thai8 hpthai8",

	"ibm437": "437",
	"ibm850": "850 os2latin1",
	"ibm852": "852",
	"ibm855": "855 872",
	"ibm858": "858 pc858multilingual pcmultilingual850euro",
	"ibm860": "860",
	"ibm862": "862",
	"ibm863": "863",
	"ibm865": "865",
	"ibm866": "866 808 866nav cp866u",

	"cp720":  "720",
	"cp737":  "737",
	"cp770":  "770",
	"cp771":  "771",
	"cp772":  "772",
	"cp773":  "773",
	"cp774":  "774",
	"cp775":  "775 pc775baltic",
	"cp851":  "851",
	"cp856":  "856",
	"cp857":  "857",
	"cp861":  "861 cpis",
	"cp864":  "864",
	"cp868":  "868 cpar",
	"cp869":  "869 cpgr",
	"cp922":  "922",
	"cp1006": "1006",
	"cp1046": "1046",
	"cp1124": "1124",
	"cp1125": "1125 848 ruscii",
	"cp1129": "1129 1163",
	"cp1133": "1133",

	"macintosh":      "mac macroman macosroman 1275 10000",
	"x-mac-cyrillic": "maccyrillic macukraine macukrainian macuk msmaccyrillic 10007 10017",
	"x-mac-arabic":   "macarabic 10004",
	"x-mac-ce": "macce macceneuro maccenteuro maccentraleurope maccentraleurroman maccentraleuropean " +
		"maclatin2 1282 10029",
	"x-mac-croatian":  "maccroatian 10082",
	"x-mac-farsi":     "macfarsi",
	"x-mac-greek":     "macgreek 1280 10006",
	"x-mac-hebrew":    "machebrew 10005",
	"x-mac-icelandic": "maciceland macicelandic macis 1286 10079",
	"x-mac-romanian":  "macromania macromanian 10010",
	"x-mac-thai":      "macthai 10021",
	"x-mac-turkish":   "macturkish 1281 10081",

	"koi8-r":           "koi8r koi8 878 20866",
	"koi8-u":           "koi8u 1168 21866",
	"koi8-ru":          "koi8ru 1167",
	"koi8-t":           "koi8t",
	"kz-1048":          "kz1048 rk1048 strk10482002",
	"ptcp154":          "pt154 cp154 154 cyrillicasian",
	"ecma-cyrillic":    "ecmacyrillic isoir111 koi8e iso111ecmacyrillic",
	"mik":              "bulgarianmik",
	"armscii-8":        "armscii8",
	"georgian-academy": "georgianacademy",
	"georgian-ps":      "georgianps",
	"hp-roman8":        "hproman8 roman8 r8 1051",
	"hp-greek8":        "hpgreek8",
	"dec-mcs":          "decmcs dec 1100",
	"viscii":           "viscii111 viscii11",
	"winsami2":         "winsami2 ws2",

	"shift_jis": "sjis shiftjis shiftjis2004 sjis2004 shiftjisx0213 shiftjis0213 sjisx0213 sjis0213 sjiswin sjisms " +
		"sjisopen sjismac sjismobile sjisdocomo sjiskddi sjissoftbank mskanji pck macjapanese windows31j " +
		"jisencoding 932 942 942c 943 943c 10001 ms9320213 ms9322004",
	"euc-jp": "eucjp eucjpwin eucjpms eucjpopen eucjplinux eucjpsolaris eucjis eucjisx0213 eucjis2004 eucjp2004 ujis " +
		"33722 5050 20932 51932 eucpkdfmtjapanese",
	"iso-2022-jp": "iso2022jp iso2022jp1 iso2022jp2 iso2022jp3 iso2022jp2004 iso2022jpext iso2022jpms iso2022jpmobile " +
		"iso2022jpkddi windowsiso2022jp windows50220 windows50221 jis jisautodetect jisms 50220 50221 50222 " +
		"50220raw",
	"euc-kr": "euckr eucksc uhc unifiedhangul ksc5601 ksc56011987 ksc56011992 ksc56011989 ksx1001 5601 949 949c 970 " +
		"1363 20949 51949 mackorean 10003",
	"iso-2022-kr": "iso2022kr 50225",
	"johab":       "johab ksc56011992johab 1361",
	"iso-2022-cn": "iso2022cn iso2022cnext iso2022cngb iso2022cncns 50227 50229",
	"euc-tw":      "euctw cns11643 964 51950",
	"gbk": "euccn eucgb2312cn cngb gb2312 gb231280 gb23121980 macsimpchinese macchinesesimp " +
		"936 1381 1383 1386 20936 51936 " +
		"10008 eucgb2312 chinese",
	"gb18030":    "gb180302000 gb180302005 gb180302022 54936 1392",
	"hz-gb-2312": "hz hzgb hzgb2312 52936",
	"big5": "bigfive big5eten big5tw cnbig5 chinesebig5 big5hk big5hk2001 big5hkscs big5hkscs2001 hkscs big5hkscs1999 " +
		"big5hkscs2004 big5hkscs2008 big5solaris big52003 ms950hkscs ms950hkscsxp macchinesetrad mactradchinese 950 " +
		"951 1370 1375 5471 10002",
}

// aliases is families by label.
var aliases = byLabel(families)

func byLabel(families map[string]string) map[string]string {
	all := make(map[string]string)
	for name, labels := range families {
		all[squeeze(name)] = name
		for label := range strings.FieldsSeq(labels) {
			all[label] = name
		}
	}
	return all
}

// pagePrefixes precede the number of a code page.
var pagePrefixes = []string{
	"windows", "mswin", "win", "mscp", "ms", "microsoftcp", "ansi", "cpibm", "cp", "ibmcp", "ibm", "dos", "oem",
	"codepage", "ccsid",
}

// Name returns the name of the charset with label s, such as `"UTF8"` or "charset=sjis-win". An
// unknown label is returned in lower case.
func Name(s string) string {
	s = strings.ToLower(strings.Trim(s, " \t\r\n\"'"))
	s = strings.TrimPrefix(s, "charset=")
	switch s {
	case "", "utf-8":
		return s
	case "utf8", "unicode-1-1-utf-8":
		return "utf-8"
	}
	if _, err := htmlindex.Get(s); err == nil {
		return s
	}
	_, inLocale, _ := strings.Cut(s, ".") // de_DE.ISO-8859-15@euro
	return cmp.Or(alias(s), alias(inLocale), s)
}

// alias returns the charset that has s for a label in families, "" if there is none.
func alias(s string) string {
	key := squeeze(s)
	bare := strings.TrimPrefix(key, "x")
	for _, label := range []string{key, bare, strings.TrimPrefix(bare, "cs")} {
		if name := aliases[label]; name != "" {
			return name
		}
		for _, prefix := range pagePrefixes {
			page, ok := strings.CutPrefix(label, prefix)
			if name := aliases[strings.TrimLeft(page, "0")]; ok && name != "" {
				return name
			}
		}
	}
	return ""
}

// squeeze removes from a label in lower case what its writers vary: all but letters and digits, and
// what follows the name, such as the year of a standard (ISO_8859-2:1987), a comment or //TRANSLIT.
func squeeze(s string) string {
	if end := strings.IndexAny(s, ":/(,;@"); end >= 0 {
		s = s[:end]
	}
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, s)
}

// Lookup returns the encoding of a charset name that [Name] has normalized. Names mean
// what they mean to browsers: iso-8859-1 is windows-1252, gb2312 is GBK. For ASCII, which
// defines no octets over 127, the encoding is nil and known is true.
func Lookup(name string) (enc encoding.Encoding, known bool) {
	switch name {
	case "":
		return nil, false
	case "us-ascii", "ascii", "ansi_x3.4-1968":
		return nil, true
	case "utf-16", "ucs-2", "iso-10646-ucs-2", "utf-16be": // RFC 2781, section 4.3
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), true
	case "utf-16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), true
	case "utf-32", "utf-32be":
		return utf32.UTF32(utf32.BigEndian, utf32.UseBOM), true
	case "utf-32le":
		return utf32.UTF32(utf32.LittleEndian, utf32.UseBOM), true
	case "utf-7":
		return utf7.UTF7, true
	case "iso-2022-kr", "csiso2022kr":
		return iso2022KR{korean.EUCKR}, true
	case "iso-2022-cn", "iso-2022-cn-ext":
		return iso2022CN, true
	case "euc-tw":
		return eucTW, true
	case "johab":
		return johab, true
	case "hz-gb-2312":
		return simplifiedchinese.HZGB2312, true
	case "ibm858":
		return charmap.CodePage858, true
	}
	if high, ok := highHalves[name]; ok {
		return newSingleByte(high), true
	}
	// Browsers map charsets they refuse to the replacement encoding.
	if enc, err := htmlindex.Get(name); err == nil && enc != encoding.Replacement {
		return enc, true
	}
	if enc, err := ianaindex.MIME.Encoding(name); err == nil && enc != nil {
		return enc, true
	}
	return nil, false
}
