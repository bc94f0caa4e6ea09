package blob

// SetPageSize sets how many objects a page of a bucket's list has.
func SetPageSize(s Store, n int) { s.(*bucket).pageSize = n }
