// Package wire is the codec of OpenFlow 1.3: bytes to values and back. It does
// no I/O of its own beyond reading one message from an io.Reader, starts no
// goroutines, and keeps no state.
//
//	switch ──bytes──► ReadMessage ──Message──► Decode…  ──► flow.Flow, Port, …
//	switch ◄─bytes── one whole message ◄────── Encode… ◄── Mod, requests
//
// What a switch sends is decoded here, with every length checked before it is
// used: a malformed message is an error that wraps ErrMalformed, never a panic
// and never an endless loop. Match fields, actions and instructions that this
// package does not know are kept byte for byte, so that a flow that was read
// can be sent again as it was.
//
// What we send is laid out by libOpenflow, whose lengths overflow silently and
// which panics on values that it does not expect. Therefore sizes are summed up
// beforehand, every result is checked against its own header, and one recover
// stands at that boundary. The library never sees a peer's bytes.
package wire
