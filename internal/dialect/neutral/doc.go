// Package neutral is the form between the dialects: what a request asks, what an
// answer says and what an event of a stream adds, in no protocol's own words. A dialect
// translates to it and from it ([Codec]); no dialect knows another one.
//
// It is used only where a caller and an account speak different dialects. Where they
// speak the same one, the bytes pass as they came and this package has no part.
//
// What a target cannot express is never silently changed: a codec says for each
// [Feature] whether it is carried, adapted, dropped with a warning or refused, and the table
// in docs/protocols is made from exactly that.
//
// What becomes of whole requests, answers and streams between any two dialects stands in testdata: the inputs in
// in/, shaped as real clients and providers shape them, what is made of them in out/<from>_to_<to>. Errors
// are told by the gateway; theirs are in its testdata.
//
// Start with [Request], [Block] and [Event].
package neutral
