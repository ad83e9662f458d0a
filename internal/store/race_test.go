//go:build race

package store_test

// The race detector makes SQLite, which is translated C, some twenty times slower.
const sizeRows = 10_000
