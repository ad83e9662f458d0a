//go:build race

package store

// See race_test.go.
const scaleRows = 10_000
