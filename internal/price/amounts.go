package price

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"turnout/internal/domain"
)

// Amounts is a usage by kinds, where wholes include their parts: input_tokens are all of them, cache_read_tokens some of
// these. The zero value is nothing of anything.
type Amounts struct {
	n      [kinds]int64
	said   set // what was stated; only for amounts that were read
	digits int // n are multiples of ten^-digits
	Tier   domain.Tier
}

// enormous is more than any request has. Sums of a few of it do not overflow.
const enormous = math.MaxInt64 / 16

// of takes a usage over.
func (a *Amounts) of(u *domain.Usage) error {
	for _, n := range [...]int64{u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.Output, u.Reasoning,
		u.AudioInput, u.AudioCacheRead, u.AudioOutput, u.ImageInput, u.ImageOutput, u.Searches} {
		if n < 0 {
			return errors.New("impossible usage: a negative count")
		}
		if n > enormous {
			return errors.New("impossible usage: a count that no request has")
		}
	}
	switch {
	case u.Reasoning > u.Output:
		return fmt.Errorf("impossible usage: %d tokens of reasoning in %d of output", u.Reasoning, u.Output)
	case u.AudioInput+u.ImageInput > u.Input:
		return fmt.Errorf("impossible usage: %d tokens of audio and %d of images in %d of input", u.AudioInput, u.ImageInput, u.Input)
	case u.AudioCacheRead > u.CacheRead:
		return fmt.Errorf("impossible usage: %d tokens of audio in %d read from a cache", u.AudioCacheRead, u.CacheRead)
	case u.AudioOutput+u.ImageOutput > u.Output:
		return fmt.Errorf("impossible usage: %d tokens of audio and %d of images in %d of output", u.AudioOutput, u.ImageOutput, u.Output)
	}
	a.Tier = u.Tier
	a.n[kInput], a.n[kCacheRead] = u.Prompt(), u.CacheRead
	a.n[kCacheWrite], a.n[kCacheWrite5m], a.n[kCacheWrite1h] = u.CacheWrite5m+u.CacheWrite1h, u.CacheWrite5m, u.CacheWrite1h
	a.n[kAudioIn], a.n[kAudioRead], a.n[kImageIn] = u.AudioInput+u.AudioCacheRead, u.AudioCacheRead, u.ImageInput
	a.n[kOutput], a.n[kReasoning], a.n[kAudioOut], a.n[kImageOut] = u.Output, u.Reasoning, u.AudioOutput, u.ImageOutput
	a.n[kSearches], a.n[kRequests] = u.Searches, 1
	return nil
}

// The bounds of a usage that is read.
const (
	maxUsage  = 64 << 10
	maxDigits = 6 // decimals of a count, such as seconds
)

// ReadAmounts reads a usage as JSON, in the kinds' names: {"input_tokens": 1000, "cache_read_tokens": 200, "output_tokens": 50}.
// Counts are zero or more; those of seconds and the like may have decimals. Unknown names are errors.
func ReadAmounts(data []byte) (*Amounts, error) {
	if len(data) > maxUsage {
		return nil, fmt.Errorf("usage: %d bytes are too many", len(data))
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("usage: want a JSON object such as {\"input_tokens\": 1000, \"output_tokens\": 50}")
	}
	type count struct{ whole, decimals string }
	counts := map[kind]count{}
	a := &Amounts{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("usage: %w", err)
		}
		k, ok := byUsage[name.(string)]
		if !ok || k == kRequests {
			return nil, fmt.Errorf("usage: %q is the name of nothing that is counted", name)
		}
		if a.said.has(k) {
			return nil, fmt.Errorf("usage: %s stands there twice", name)
		}
		v, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("usage: %w", err)
		}
		n, ok := v.(json.Number)
		whole, decimals, _ := strings.Cut(string(n), ".")
		decimals = strings.TrimRight(decimals, "0")
		if !ok || strings.Trim(whole+decimals, "0123456789") != "" || whole == "" {
			return nil, fmt.Errorf("usage: %s: want a number, zero or more, without an exponent", name)
		}
		if len(decimals) > maxDigits {
			return nil, fmt.Errorf("usage: %s has more than %d decimals", name, maxDigits)
		}
		counts[k] = count{whole, decimals}
		a.said = a.said.with(k)
		a.digits = max(a.digits, len(decimals))
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("usage: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("usage: there is something behind the object")
	}
	for k, c := range counts {
		digits := strings.TrimLeft(c.whole+c.decimals+strings.Repeat("0", a.digits-len(c.decimals)), "0")
		if len(digits) > 18 {
			return nil, fmt.Errorf("usage: %s is more than any request has", units[k].usage)
		}
		for _, b := range []byte(digits) {
			a.n[k] = a.n[k]*10 + int64(b-'0')
		}
	}
	for k := range kinds {
		whole := wholes[k] & a.said
		var err error
		whole.each(func(w kind) {
			if a.said.has(k) && a.n[k] > a.n[w] && err == nil {
				err = fmt.Errorf("impossible usage: %s (%s) are some of the %s (%s)", units[k].usage, a.text(k), units[w].usage, a.text(w))
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return a, nil
}

// settle makes amounts that were read ready for a plan: what the plan asks for and was not stated is nothing, unless parts of it were
// stated.
func (a *Amounts) settle(p *Plan) error {
	s := p.sheet(a.Tier)
	if p.least > 0 {
		a.leastSeconds(p.least)
	}
	a.n[kRequests] = int64(pow10(a.digits)) //nolint:gosec // at most a million
	if s.tiered {
		if err := a.need(kInput); err != nil {
			return err
		}
	}
	for i := range s.lines {
		if err := a.need(s.lines[i].kind); err != nil {
			return err
		}
	}
	return nil
}

// need: where a kind was not stated, nothing that implies it may have been.
func (a *Amounts) need(k kind) (err error) {
	if k == kRequests || a.said.has(k) {
		return nil
	}
	positive := set(0)
	a.said.each(func(j kind) {
		if a.n[j] > 0 {
			positive = positive.with(j)
		}
	})
	(positive & parts[k]).each(func(j kind) {
		if err == nil {
			err = fmt.Errorf("usage: %s are stated and %s are not, of which they are a part", units[j].usage, units[k].usage)
		}
	})
	positive.each(func(i kind) {
		positive.each(func(j kind) {
			if i >= j || wholes[i].has(j) || wholes[j].has(i) || err != nil {
				return
			}
			if both, ok := join(i, j); ok && both == k {
				err = fmt.Errorf("usage: %s and %s are stated; state too how many are both, as %s", units[i].usage, units[j].usage, units[k].usage)
			}
		})
	})
	return err
}

// leastSeconds: a recording is charged for so many seconds at least, if it has any.
func (a *Amounts) leastSeconds(least int64) {
	if !a.said.has(kSeconds) && !a.said.has(kSecondsIn) {
		return
	}
	n := a.n[kSeconds]
	if n == 0 {
		n = a.n[kSecondsIn]
	}
	if n > 0 {
		n = max(n, least*int64(pow10(a.digits))) //nolint:gosec // at most a million
	}
	a.n[kSeconds], a.n[kSecondsIn] = n, n
	a.said = a.said.with(kSeconds).with(kSecondsIn)
}

// wholeInput is the input in whole tokens, a begun one counted: the tiers' starts are whole.
func (a *Amounts) wholeInput() int64 {
	ten := int64(pow10(a.digits)) //nolint:gosec // at most a million
	return (a.n[kInput] + ten - 1) / ten
}

// text writes a count down.
func (a *Amounts) text(k kind) string {
	s := fmt.Sprintf("%0*d", a.digits+1, a.n[k])
	if a.digits == 0 {
		return s
	}
	return strings.TrimRight(strings.TrimRight(s[:len(s)-a.digits]+"."+s[len(s)-a.digits:], "0"), ".")
}
