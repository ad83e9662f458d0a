//go:build !race

package drill_test

const heavy = true
