package wire

// experimenterONF is the Open Networking Foundation's experimenter ID, under
// which OpenFlow 1.3 has the bundles of 1.4 (EXT-230).
const experimenterONF = 0x4f4e4600

const (
	experimenterBundleControl = 2300
	experimenterBundleAdd     = 2301
)

// BundleCommand is what is asked of a bundle or answered about it. A reply's
// command is its request's plus one.
type BundleCommand uint16

// The commands of EXT-230.
const (
	BundleOpen    BundleCommand = 0
	BundleClose   BundleCommand = 2
	BundleCommit  BundleCommand = 4
	BundleDiscard BundleCommand = 6
)

// Reply returns the command that a switch answers c with.
func (c BundleCommand) Reply() BundleCommand { return c + 1 }

// bundleFlags makes a bundle atomic (all of it or nothing) and ordered.
const bundleFlags = 1 | 2

// BundleControl is a switch's answer about a bundle.
type BundleControl struct {
	ID      uint32
	Command BundleCommand
	Flags   uint16
}

// DecodeBundleControl decodes a bundle control reply.
func DecodeBundleControl(m Message) (BundleControl, error) {
	const what = "bundle reply"
	if err := m.expect(what, TypeExperimenter); err != nil {
		return BundleControl{}, err
	}
	r := newReader(what, m.Body)
	if exp, typ := r.u32(), r.u32(); exp != experimenterONF || typ != experimenterBundleControl {
		r.fail("experimenter %#x type %d", exp, typ)
	}
	b := BundleControl{ID: r.u32(), Command: BundleCommand(r.u16()), Flags: r.u16()}
	// Properties may follow; none is defined that matters here.
	return b, r.err
}
