// Package credential keeps secrets sealed at rest: AES-256-GCM under a master key,
// each sealed form bound to the place where it is stored. It owns the master key,
// its file and the sealed form; it never prints a key or a secret, and never lets
// one be opened in another place than its own.
//
// Start reading at Ring in ring.go; where the master key comes from is in
// master.go.
package credential
