// Package drill is the fault drill: scenarios in which a simulated primary provider
// P fails in one way, a real gateway in front of it and of a fallback F, callers that read
// every byte strictly, and a verdict on what they got and on what the providers saw.
//
// It must never share code with the gateway that it judges (the readers of streams
// and bodies here are its own: a drill that reads with the gateway's decoders would share its
// mistakes), and never reach beyond this machine. It builds no gateway itself: who runs it
// hands in a Start.
//
// The same scenarios run with three clocks: real ones, shortened ones (Pace), and
// testing/synctest's in this package's tests, over the network of package memnet, where durations
// are exact and pass in no time.
//
// Start reading at scenario.go (what a scenario is) and sixteen.go (the first of
// them); world.go runs one, judge.go has the checks that verdicts are made of.
package drill
