// Package journal is a local log of records that outlive the process: what Append has taken survives a kill at any
// instant, and a power failure but for the last moments (Options.Sync). It knows nothing of what the records
// mean; a reader keeps the Position up to which it has used them, and has it again after a restart.
//
// Records stand in segments, files named by number. Each is a length, a checksum (CRC-32C of length and record) and the
// record. The end of the last segment may be torn by a crash and is set aside when the journal is opened; damage anywhere
// else is an error, never skipped. Start reading at journal.go, then read.go.
package journal
