package domain

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// ObjectID names something that lives at one upstream account and was made for one
// caller (a stored response, a file, a batch, cached content): a hash of the key and the
// provider's own name, so that nobody else's key finds it and the name cannot be read from it.
type ObjectID [16]byte

// NewObjectID makes the id of what a provider calls name, for one key.
func NewObjectID(key KeyID, name string) ObjectID {
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], uint64(key))
	h := sha256.New()
	h.Write(id[:])
	h.Write([]byte(name))
	var out ObjectID
	copy(out[:], h.Sum(nil))
	return out
}

// String is the hexadecimal form.
func (o ObjectID) String() string { return hex.EncodeToString(o[:]) }

// Object is where something of a caller's lives.
type Object struct {
	ID      ObjectID
	Account AccountID
	Expires time.Time // it is forgotten then
}
