//go:build !race

package neutral_test

// share: one in so many hostile values is tried.
const share = 1
