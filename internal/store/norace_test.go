//go:build !race

package store_test

const sizeRows = 100_000
