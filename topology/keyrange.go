package topology

// KeyRange is a closed range of tunnel keys, "100-110" in text.
type KeyRange struct {
	First, Last uint32
}
