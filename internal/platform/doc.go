// Package platform describes kinds of upstream as data: base URL, dialects and
// paths, how a request is signed, what failures mean, and policy. No platform's
// name appears outside of it; adding a platform is adding a value.
//
// It must never do I/O, read a clock, or decide what follows a failure: it says what a
// failure means (a failover.Class, whom it concerns, when the upstream says that it
// ends), and package failover decides.
//
// Start reading at platform.go; failures are at Row in classify.go, and the table
// itself, in the order in which it is asked, at table in rows.go. docs/failures.md is
// printed from that table. What an error body looks like is in fields.go, when the
// upstream can be asked again in reset.go.
package platform
