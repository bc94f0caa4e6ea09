package tnef

// The types of MAPI properties (MS-OXCDATA, section 2.11.1) whose size varies or is not 4
// octets.
const (
	mapiDouble   = 0x0005
	mapiCurrency = 0x0006
	mapiAppTime  = 0x0007
	mapiObject   = 0x000d
	mapiInt64    = 0x0014
	mapiString8  = 0x001e
	mapiUnicode  = 0x001f
	mapiTime     = 0x0040
	mapiGUID     = 0x0048
	mapiBinary   = 0x0102
	mapiMultiple = 0x1000 // flag: several values
)

// mapiProp is a MAPI property. Of several values it has the first.
type mapiProp struct {
	id, kind uint16
	value    []byte
}

// readProps calls take for each property in a list (MS-OXTNEF, section 2.1.3.4).
func readProps(list []byte, take func(mapiProp)) {
	r := reader(list)
	for n := r.uint32(); n > 0 && len(r) > 0; n-- {
		tag := r.uint32()
		p := mapiProp{id: uint16(tag >> 16), kind: uint16(tag) &^ mapiMultiple}
		if p.id >= 0x8000 {
			skipName(&r)
		}
		values, varies := uint32(1), mapiSize(p.kind) == 0
		if varies || tag&mapiMultiple != 0 {
			values = r.uint32()
		}
		for i := uint32(0); i < values && len(r) > 0; i++ {
			size := mapiSize(p.kind)
			if varies {
				size = r.uint32()
			}
			value := r.next(size)
			r.next(-size & 3) // padding
			if i == 0 {
				p.value = value
			}
		}
		take(p)
	}
}

// skipName skips the name of a named property.
func skipName(r *reader) {
	r.next(16) // property set
	if byString := r.uint32() != 0; !byString {
		r.next(4)
		return
	}
	size := r.uint32()
	r.next(size)
	r.next(-size & 3)
}

// mapiSize returns the size of a value in octets, including padding; 0 if each value has a
// size field.
func mapiSize(kind uint16) uint32 {
	switch kind {
	case mapiObject, mapiString8, mapiUnicode, mapiBinary:
		return 0
	case mapiDouble, mapiCurrency, mapiAppTime, mapiInt64, mapiTime:
		return 8
	case mapiGUID:
		return 16
	}
	return 4
}
