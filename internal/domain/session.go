package domain

import (
	"encoding/hex"
	"time"
)

// SessionID names a conversation inside one caller's key and pool: a hash, so that
// neither the signal nor the key can be read from it. The zero value is no session.
type SessionID [16]byte

// IsZero reports whether there is no session.
func (s SessionID) IsZero() bool { return s == SessionID{} }

// String is the hexadecimal form.
func (s SessionID) String() string { return hex.EncodeToString(s[:]) }

// Binding keeps a session on the account where its prompt cache is warm.
type Binding struct {
	Session SessionID
	Account AccountID
	Expires time.Time // the binding is forgotten then, unless it is used before

	// WarmTokens of the conversation are in the account's prompt cache until
	// WarmUntil, as far as the last reported usage tells.
	WarmTokens int64
	WarmUntil  time.Time
	Size       int64 // bytes of the request that they are of; 0: not known. It is not stored
	Model      int64 // whose cache they are in, as a hash; 0: not known
	Placed     bool  // by an operator: it is left for no better account
}
