// Package verify proves that flows keep networks apart and free of loops, and
// that frames arrive where the options of a network say.
//
// It knows what networks are for and not how package pipeline makes flows of
// them, so that a mistake there does not hide itself. There are two ways to look:
//
//	Gate   one network on one bridge: all frames at once, as sets of them that
//	       each flow may meet. It is cheap, and looks before flows are sent.
//	Check  one network on all hosts: frames one by one, through tunnels and all,
//	       held against what the network's options promise.
//
// It is pure: no I/O, no clock, no goroutines.
package verify
