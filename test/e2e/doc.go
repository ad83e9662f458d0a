// Package e2e tests the real binary as its users run it: processes, files, signals
// and HTTP over loopback, against simulated providers that live in the test's own process.
// What a caller and a provider see is asserted here; what a function returns is
// not. It must never reach another machine.
//
// Start reading at gateway_test.go (a running gateway) and client_test.go (a caller),
// then load_test.go.
package e2e
