//go:build race

package drill_test

// Under the race detector SQLite, which is translated C, is some twenty times slower, and a
// heavy scenario would take a minute; the drill on the command line runs them too.
const heavy = false
