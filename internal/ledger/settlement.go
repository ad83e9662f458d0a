package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"turnout/internal/domain"
)

const codecVersion = 1

// The fields of the usage, in the order in which they are written: append, never reorder.
func usageFields(u *domain.Usage) []*int64 {
	return []*int64{&u.Input, &u.CacheRead, &u.CacheWrite5m, &u.CacheWrite1h, &u.Output, &u.Reasoning,
		&u.AudioInput, &u.AudioCacheRead, &u.AudioOutput, &u.ImageInput, &u.ImageOutput, &u.Searches}
}

// Encode appends the settlement's form for the journal.
func Encode(b []byte, s *domain.Settlement) []byte {
	b = append(b, codecVersion)
	b = append(b, s.Request[:]...)
	b = binary.AppendVarint(b, s.At.UnixMilli())
	for _, n := range [...]int64{
		int64(s.Key), int64(s.User), int64(s.Team), int64(s.Pool), int64(s.Account), int64(s.Payer.Kind), s.Payer.ID,
		int64(s.Charged), int64(s.WrittenOff), int64(s.Switch), int64(s.Cost), int64(s.Flags), b2i(s.Late), b2i(s.Usage.Reported), b2i(s.Usage.Estimated), int64(s.Usage.Tier),
	} {
		b = binary.AppendVarint(b, n)
	}
	for _, t := range [...]string{s.Model, s.Plan, s.Tags} {
		t = t[:min(len(t), mostText)]
		b = append(binary.AppendUvarint(b, uint64(len(t))), t...)
	}
	fields := usageFields(&s.Usage)
	b = binary.AppendUvarint(b, uint64(len(fields)))
	for _, n := range fields {
		b = binary.AppendVarint(b, *n)
	}
	losses := s.Losses[:min(len(s.Losses), mostLosses)]
	b = binary.AppendUvarint(b, uint64(len(losses)))
	for _, l := range losses {
		b = binary.AppendVarint(binary.AppendVarint(binary.AppendVarint(b, int64(l.Account)), int64(l.Amount)), b2i(l.Flat))
	}
	return b
}

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Bounds of what a settlement may hold, so that no text of a caller makes a record too long.
const (
	mostText   = 1024
	mostLosses = 1024
	mostUsage  = 64
)

var errRecord = errors.New("it is no settlement that this version can read")

// Decode reads what Encode wrote, of this version or an older one.
func Decode(b []byte) (s domain.Settlement, err error) {
	if len(b) < 1+len(s.Request) || b[0] != codecVersion {
		return s, errRecord
	}
	copy(s.Request[:], b[1:])
	d := decoder{b: b[1+len(s.Request):]}
	s.At = time.UnixMilli(d.int())
	s.Key, s.User, s.Team = domain.KeyID(d.int()), domain.UserID(d.int()), domain.TeamID(d.int())
	s.Pool, s.Account = domain.PoolID(d.int()), domain.AccountID(d.int())
	s.Payer = domain.Spender{Kind: domain.SpenderKind(d.int()), ID: d.int()}
	s.Charged, s.WrittenOff = domain.NanoUSD(d.int()), domain.NanoUSD(d.int())
	s.Switch, s.Cost = domain.NanoUSD(d.int()), domain.NanoUSD(d.int())
	s.Flags, s.Late, s.Usage.Reported = domain.SettlementFlags(d.int()), d.int() != 0, d.int() != 0
	s.Usage.Estimated, s.Usage.Tier = d.int() != 0, domain.Tier(d.int())
	for _, t := range [...]*string{&s.Model, &s.Plan, &s.Tags} {
		*t = d.text()
	}
	fields := usageFields(&s.Usage)
	n := d.count(mostUsage)
	for i := range n {
		if v := d.int(); i < len(fields) {
			*fields[i] = v
		}
	}
	if n := d.count(mostLosses); n > 0 {
		s.Losses = make([]domain.AccountCost, n)
		for i := range s.Losses {
			s.Losses[i] = domain.AccountCost{Account: domain.AccountID(d.int()), Amount: domain.NanoUSD(d.int()), Flat: d.int() != 0}
		}
	}
	if d.bad || len(d.b) > 0 {
		return domain.Settlement{}, errRecord
	}
	return s, check(&s)
}

// check refuses what no Book writes.
func check(s *domain.Settlement) error {
	for _, n := range [...]domain.NanoUSD{s.Charged, s.WrittenOff, s.Switch, s.Cost} {
		if n < 0 {
			return fmt.Errorf("%w: an amount of %d", errRecord, n)
		}
	}
	for _, l := range s.Losses {
		if l.Amount < 0 {
			return fmt.Errorf("%w: a loss of %d", errRecord, l.Amount)
		}
	}
	return nil
}

type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) int() int64 {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) count(most int) int {
	n, size := binary.Uvarint(d.b)
	if size <= 0 || n > uint64(most) {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[size:]
	return int(n)
}

func (d *decoder) text() string {
	n := d.count(mostText)
	if n > len(d.b) {
		d.bad, d.b = true, nil
		return ""
	}
	t := string(d.b[:n])
	d.b = d.b[n:]
	return t
}
