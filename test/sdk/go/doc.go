// Package sdk proves Turnout with the official SDKs for Go, in a module of its own so that they do
// not enter Turnout's. Its tests need the rig (test/sdk/README.md) and are skipped without it:
//
//	scripts/test sdk
//
// Start reading at rows_test.go: what is tried with every SDK before every kind of account.
package sdk
