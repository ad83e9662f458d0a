// Package neutraltest is what the tests of every dialect share: generators of requests and answers
// ([Requests], [Answers]), a check of the order of a stream's events ([Order]), the textual form of
// all three ([DumpRequest], [DumpAnswer], [DumpEvent]), and helpers that run a stream through a codec.
//
// Only tests import it. Start with [Options].
package neutraltest
