package topology

import "fmt"

// Name is what a pool is called where objects have names: ENCAP-FIRST-LAST.
func (p KeyPool) Name() string { return fmt.Sprintf("%s-%s", p.Encap, p.Range) }

// MaxKey returns the highest key of an encapsulation; the lowest is 1, as key
// 0 stands for no key. GRE's key has 32 bits (RFC 2890 §2), VXLAN's VNI 24
// (RFC 7348 §5). It is 0 for an encapsulation that there is not.
func (e Encap) MaxKey() uint32 {
	switch e {
	case GRE:
		return 1<<32 - 1
	case VXLAN:
		return 1<<24 - 1
	}
	return 0
}
