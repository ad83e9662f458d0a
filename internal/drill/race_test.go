//go:build race

package drill_test

// Under the race detector SQLite, which is translated C, is some twenty times slower, so that a part of the
// drill is left to the run without it.
const race = true
