// Package ledger keeps the books: it holds what a request may cost before the first byte goes upstream, settles once what it
// did cost, and writes both down so that neither a crash nor a second word can bend them.
//
// A Book knows the owners (keys, users, teams, pools) that have something to spend or a limit on it. Hold reserves an
// amount at all of them or at none. Settle turns the reservation into a charge, never more than the limits and their stated
// overdraft allow (what is beyond is written off, at the operator's cost), and appends a domain.Settlement to the journal before it returns.
// The applier takes settlements from the journal to the store, in order and each exactly once, by the journal's position that is
// stored with them. A prepaid owner's money is taken from the store in grants, which are durable before they are held against: what
// is spent from memory has left the balance before.
//
// Money is in nano-USD; every rule here is integer arithmetic. The package reads no clock: times are arguments. Start reading at
// book.go, then hold.go and budget.go; settlement.go is what is written down, apply.go how it comes to the store.
package ledger
