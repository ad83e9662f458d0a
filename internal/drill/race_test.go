//go:build race

package drill_test

// Under the race detector SQLite, which is translated C, is some twenty times slower: heavy scenarios and the
// faults of translated pairs are left to the run without it.
const race = true
