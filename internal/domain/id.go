package domain

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// AccountID, PoolID and KeyID are the store's row ids. They are small integers
// because a record of every request carries them. Zero means "none".
type (
	// AccountID is an account's.
	AccountID int64
	// PoolID is a pool's.
	PoolID int64
	// KeyID is a caller's key's.
	KeyID int64
)

// RequestID names one request for ever: 48 bits of Unix milliseconds, then 80
// random bits, so that ids sort by time and need no coordination between
// machines (the layout of a UUIDv7 without its version bits). The zero value is
// no request.
type RequestID [16]byte

const requestIDPrefix = "req_"

// NewRequestID makes an id for a request that arrived at now. It never fails:
// crypto/rand crashes the process rather than return bad randomness.
func NewRequestID(now time.Time) RequestID {
	var id RequestID
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMilli())<<16)
	_, _ = rand.Read(id[6:])
	return id
}

// Time is when the request arrived, to the millisecond.
func (id RequestID) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16))
}

// String is the form that callers see: "req_" and 32 hexadecimal digits.
func (id RequestID) String() string {
	var b [len(requestIDPrefix) + 32]byte
	copy(b[:], requestIDPrefix)
	hex.Encode(b[len(requestIDPrefix):], id[:])
	return string(b[:])
}

// IsZero reports whether the id names no request.
func (id RequestID) IsZero() bool { return id == RequestID{} }

// ParseRequestID reads what String wrote; the prefix may be left out.
func ParseRequestID(s string) (RequestID, error) {
	var id RequestID
	h := strings.TrimPrefix(strings.TrimSpace(s), requestIDPrefix)
	if len(h) != 32 {
		return id, fmt.Errorf("%q is not a request id: want %q and 32 hexadecimal digits", s, requestIDPrefix)
	}
	if _, err := hex.Decode(id[:], []byte(h)); err != nil {
		return RequestID{}, fmt.Errorf("%q is not a request id: %w", s, err)
	}
	return id, nil
}
