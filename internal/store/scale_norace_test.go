//go:build !race

package store

const scaleRows = 100_000
