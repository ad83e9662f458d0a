// Package store keeps what must survive a restart: the objects (accounts, pools,
// keys), one record of every request with its decision trace, session bindings
// and rests. Today it keeps them in one SQLite file in the data directory.
//
// It never decides anything, never sees a prompt or an answer, and never stores
// a secret in the clear: accounts' secrets go through the Sealer that Open is
// given, and keys come in as SHA-256 already. Nothing on a request's path imports
// it; package app hands its methods to whoever declared an interface for them.
//
// Start reading at Open in store.go. Each noun has a file: object.go and
// provision.go, request.go and query.go, binding.go, rest.go. What only SQLite
// knows is in sqlite.go and migrations/sqlite. The behaviour that every database
// must show is the suite in storetest.
package store
