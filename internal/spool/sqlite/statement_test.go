package sqlite

import (
	"database/sql"
	"reflect"
	"testing"

	"heyrelay/internal/spool"
)

// TestScan reads columns of all types into what the spool's statements read them into, and has what does not fit
// refused, as database/sql does.
func TestScan(t *testing.T) {
	s := openSpool(t, Options{})
	get := func(column string, dest any) error {
		_, err := run(t.Context(), s, 0, func(w *writer) (bool, error) { return w.get("SELECT "+column, nil, dest) })
		return err
	}
	for _, c := range []struct {
		column string
		dest   any // a pointer to what is to be overwritten
		want   any
	}{
		{"'text'", new(string), "text"},
		{"''", pointer("before"), ""},
		{"-7", new(int64), int64(-7)},
		{"7", new(int), 7},
		{"1", new(bool), true},
		{"0", pointer(true), false},
		{"5", new(spool.State), spool.Sent},
		{"2", new(spool.Priority), spool.Bulk},
		{"x'0001ff'", new([]byte), []byte{0, 1, 255}},
		{"x'00'", new(sql.RawBytes), sql.RawBytes{0}},
		{"NULL", pointer([]byte("before")), []byte(nil)},
		{"NULL", new(sql.NullInt64), sql.NullInt64{}},
		{"3", new(sql.NullInt64), sql.NullInt64{Int64: 3, Valid: true}},
		{"'x'", new(any), "x"},
	} {
		err := get(c.column, c.dest)
		if got := reflect.ValueOf(c.dest).Elem().Interface(); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s as %T is %v (%v), want %v", c.column, c.dest, got, err, c.want)
		}
	}
	for _, c := range []struct {
		column string
		dest   any
	}{
		{"NULL", new(string)},
		{"NULL", new(int64)},
		{"NULL", new(bool)},
		{"'7'", new(int64)},
		{"7", new(string)},
		{"1.5", new(int)},
		{"300", new(uint8)},
		{"-1", new(uint8)},
		{"1 << 40", new(int32)},
		{"1, 2", new(int)},
		{"7", new(float64)},
	} {
		if err := get(c.column, c.dest); err == nil {
			t.Errorf("%s fits into a %T", c.column, c.dest)
		}
	}
}

func pointer[T any](value T) *T { return &value }
