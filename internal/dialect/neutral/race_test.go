//go:build race

package neutral_test

// share: one in so many hostile values is tried; the race detector makes each ten times as slow.
const share = 8
