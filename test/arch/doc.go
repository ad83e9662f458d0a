// Package arch holds the tree to its rules: which package may import which, and why
// the sharp rules are there; one package comment for each package; no file too long; no
// platform's name where it does not belong; no sleeping test. The table is in
// table_test.go. A new package needs a line there: that is the moment to think about
// where it stands.
//
// It contains tests only and reads source text only. Nothing may import it.
package arch
