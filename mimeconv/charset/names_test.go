package charset

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestFamilies checks that each label has one meaning, which Lookup knows.
func TestFamilies(t *testing.T) {
	seen := make(map[string]string)
	for name, labels := range families {
		if enc, known := Lookup(name); !known || enc == nil && name != "us-ascii" {
			t.Errorf("%s is unknown", name)
		}
		if again := Name(name); again != name {
			t.Errorf("%s becomes %s", name, again)
		}
		for label := range strings.FieldsSeq(labels) {
			if label != squeeze(label) {
				t.Errorf("%s is not squeezed", label)
			}
			if other, ok := seen[label]; ok {
				t.Errorf("%s is in the families %s and %s", label, other, name)
			}
			seen[label] = name
		}
	}
	for name, high := range highHalves {
		if n := utf8.RuneCountInString(high); n != 128 {
			t.Errorf("%s has %d characters", name, n)
		}
		if _, ok := families[name]; !ok {
			t.Errorf("%s is in no family", name)
		}
	}
}

// TestLabels decodes a word by the labels that programs give its charset.
func TestLabels(t *testing.T) {
	for _, test := range []struct{ labels, octets, text string }{
		{"eucjp EUC_JP eucJP-win eucjp-ms EUC-JP-LINUX x-eucjp ujis CP51932 x-IBM33722", "\xa4\xb3\xa4\xf3", "こん"},
		{
			"sjis SJIS-win MS_Kanji cp932 windows-932 Windows-31J x-ms932 x-IBM943C csWindows31J",
			"\x82\xb1\x82\xf1\x87\x40",
			"こん①",
		},
		{"ISO2022JP iso_2022_jp iso-2022-jp-ms windows-50220 x-windows-iso2022jp CP50221", "\x1b$B$3$s\x1b(B", "こん"},
		{
			"euckr EUC_KR ks_c_5601 KSC_5601 ksc5601-1992 cp949 ms949 UHC x-windows-949 windows949 IBM-970",
			"\xbe\xc8\xb3\xe7",
			"안녕",
		},
		{"euc-cn eucCN x-EUC-CN gb2312-80 CP936 ms936 x-mswin-936 IBM1383 cn-gb GB_2312-80", "\xc4\xe3\xba\xc3", "你好"},
		{"GB18030 gb18030-2022 CP54936", "\xc4\xe3\x81\x30\x84\x36", "你¥"},
		{
			"chinesebig5 big-five BIG5-ETEN cp950 x-windows-950 Big5_HKSCS big5hk MS950_HKSCS cn-big5",
			"\xb1\x7a\xa6\x6e",
			"您好",
		},
		{"cp874 ms874 x-windows-874 TIS620 tis620-2533 IBM-9066 8859-11 thai8", "\xca\xc7\xd1", "สวั"},
		{"latin9 Latin-0 ISO8859-15 8859_15 IBM923 iso-8859-15:1998", "\xa4\xbd", "€œ"},
		{"latin-1 ISO8859_1 8859-1 cp1252 win-1252 windows_1252 x-cp1252 IBM819 ibm-5348 ANSI", "\xe9\x80", "é€"},
		{"win1250 CP1250 windows1250 x-windows-1250 ms-ee microsoft-cp1250 ANSI-1250", "\xb3\xf3", "łó"},
		{"win1251 CP1251 windows_1251 ms-cyrl x-cp1251", "\xcf\xf0", "Пр"},
		{"latin5 ISO8859-9 win1254 8859_9 IBM920", "\xdd\xf0", "İğ"},
		{
			"latin2 8859_2 iso8859_2 ibm912 ISO_8859-2:1987 ISO-8859-2//TRANSLIT iso-8859-2(latin2) pl_PL.ISO-8859-2@euro",
			"\xb3\xf3",
			"łó",
		},
		{"latin7 iso8859_13 IBM921", "\xe0\xf0", "ąš"},
		{"cp437 IBM437 ibm-437 dos437 437 csPC8CodePage437", "\x84\x9b", "ä¢"},
		{"cp850 IBM850 dos-850 850", "\x84\x9b", "äø"},
		{"cp858 IBM00858 CCSID00858 ibm-858 PC-Multilingual-850+euro", "\xd5", "€"},
		{"cp852 IBM852 dos852", "\x88\xa2", "łó"},
		{"cp866 IBM866 cp866u", "\x8f\xe0", "Пр"},
		{"cp737 IBM-737 x-IBM737 dos-737", "\x80\x98", "Αα"},
		{"cp720 windows-720 dos-720", "\x9f\xa0", "اب"},
		{"cp775 IBM775 csPC775Baltic", "\xd0\xd5", "ąš"},
		{"cp857 csIBM857 IBM-857", "\x98\xa7", "İğ"},
		{"cp861 cp-is csIBM861", "\x95\x8c", "þð"},
		{"cp869 cp-gr", "\xa4\xd6", "Αα"},
		{"cp1125 RUSCII IBM-848", "\x8f\xf7", "Пі"},
		{"x-mac-ce mac-centraleurope x-MacCentralEurope MacLatin2 mac_latin2 cp10029", "\xb8\x97", "łó"},
		{"x-mac-greek MacGreek windows-10006", "\xe1\xe2", "αβ"},
		{"x-mac-turkish MacTurkish", "\xdc\xdb", "İğ"},
		{"MacRoman x-mac-roman mac 10000", "\x8a\xdb", "ä€"},
		{"MacCyrillic x-MacUkraine mac-uk 10017", "\x8f\xf0", "Пр"},
		{"koi8r KOI8_R cp878 CP20866", "\xf0\xd2", "Пр"},
		{"koi8u cp21866 IBM1168", "\xa7", "ї"},
		{"KOI8-T", "\x8a", "ҳ"},
		{"RK1048 KZ_1048 strk1048-2002", "\x8d", "Қ"},
		{"PT154 ptcp154 cp154", "\x80", "Җ"},
		{"VISCII csVISCII", "\xaa\xe4", "ếả"},
		{"hp-roman8 roman8 csHPRoman8 r8 ibm-1051", "\xcc", "ä"},
		{"armscii-8", "\xb2", "Ա"},
		{"UTF-32 csUCS4 UTF_32BE", "\x00\x00\x00h\x00\x00\x20\xac", "h€"},
		{"utf8 UTF_8 en_US.UTF-8 UTF-8//IGNORE cp65001 utf8mb4 windows-65001 unicode-1-1-utf-8", "€", "€"},
		{"euc-tw EUC_TW x-euc-tw IBM-964 cns11643", "\xc4\xe3\xdb\xd0 \x8e\xa2\xa1\xa1", "中添 乂"},
		{"johab x-Johab cp1361 ks_c_5601-1992-johab", "\xd0e\x8bi \x88a\x90a \xf7\xd3\xf1\xae\x88\x41", "한글 가나 漢字ㄱ"},
		{
			"ISO-2022-CN iso-2022-cn-ext x-ISO-2022-CN-GB",
			"\x1b$)A\x0eDc:C\x0f, \x1b$)G\x0eDc[P\x0f \x1b$*H\x1bN!!",
			"你好, 中添 乂",
		},
		{"hz HZ-GB-2312 hz-gb", "~{Dc:C~}", "你好"},
	} {
		for label := range strings.FieldsSeq(test.labels) {
			text, used, how := Decode([]byte(test.octets), label, false)
			if string(text) != test.text || how != Declared {
				t.Errorf("%s (%s): %q, want %q; used %s, %d", label, Name(label), text, test.text, used, how)
			}
		}
	}
}
