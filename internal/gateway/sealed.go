package gateway

import (
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/domain"
	"turnout/internal/sched"
)

// Reasoning that a provider encrypts can be read by the organisation that it was written for
// and nobody else (Responses: 400 invalid_encrypted_content). A session stays where it is bound for that
// reason among others; where it has to move, such reasoning is left out, and the caller is told. The same with what
// Turnout sealed of another dialect's reasoning, once an account of the caller's own dialect takes over.
//
// Servers that speak Chat Completions show reasoning in plain words, which no organisation owns: their makers want them back
// from every account, and other makers refuse them.

const warnSealed = "dropped encrypted reasoning: another account wrote it, and the one that answers cannot read it"

const warnSpoken = "dropped reasoning: another provider's model said it, and the one that answers does not take it"

// warnOf says what was left out of a request in the dialect.
func warnOf(d domain.Dialect) string {
	if d == domain.DialectOpenAIChat {
		return warnSpoken
	}
	return warnSealed
}

// warnForeign: the session was served by an account of another dialect before.
const warnForeign = "dropped reasoning of another dialect's account: the one that answers cannot read it"

// sealed reports whether the request may hold such reasoning in the dialect of an attempt.
func (x *exchange) sealed(d dialect.Dialect) bool {
	_, ok := d.(dialect.Sealed)
	return ok && x.path == ""
}

// reading is how much of such reasoning goes along in an attempt.
type reading uint8

const (
	readKnown   reading = iota // but what is known to be another's
	readMoved                  // and but what is unknown: the session's account wrote it, and the session moves
	readRefused                // and but what is unknown: the provider refused something of it
	readNothing                // none
)

// refused is how the request is asked once more after a refusal.
func (r reading) refused() reading {
	if r == readKnown {
		return readRefused
	}
	return readNothing
}

// readingOf is how much a candidate, asked in the dialect d, gets at first.
func (x *exchange) readingOf(c *sched.Candidate, d dialect.Dialect) reading {
	if x.sealed(d) && x.boundAtStart != 0 && x.foreign(x.boundAtStart, c, d.ID()) {
		return readMoved
	}
	return readKnown
}

// foreign reports whether a candidate, asked in the dialect d, cannot read what an account wrote; 0: one that nobody knows.
func (x *exchange) foreign(writer domain.AccountID, c *sched.Candidate, d domain.Dialect) bool {
	if writer == c.ID {
		return false
	}
	a := x.snap.account(writer)
	switch {
	case a == nil:
		return true
	case d == domain.DialectOpenAIChat:
		return !x.thinksAlike(a, c)
	}
	return sched.OrganizationOf(a) != c.Organization
}

// payloadFor names what is sent to a candidate. Payloads are its own where they may hang on who wrote what.
func (x *exchange) payloadFor(c *sched.Candidate, plain bool, how reading, d dialect.Dialect) payloadKey {
	k := payloadKey{sent: c.Sent, plain: plain, how: how, dialect: d.ID()}
	if x.sealed(d) && (how != readKnown || x.g.writers.any()) {
		k.reader = c.ID
	}
	return k
}

// unreadable calls strip with what says of each piece of reasoning whether it is left out for the candidate, and remembers who
// wrote it as far as that becomes known. A session is bound to who wrote what is in its history: so when it moves, that is known
// of all of it, and the new account's own is told from it afterwards.
func (x *exchange) unreadable(c *sched.Candidate, d domain.Dialect, how reading, strip func(is func(sealed string) bool)) {
	more := false
	is := func(sealed string) bool {
		h := writtenHash(x.key.ID, sealed)
		writer, known := x.g.writers.find(h)
		switch {
		case how == readNothing:
			x.g.writers.add(h, 0)
			return true
		case known || how == readKnown:
			return known && x.foreign(writer, c, d)
		case how == readMoved:
			writer = x.boundAtStart
		}
		x.g.writers.add(h, writer)
		more = true
		return true
	}
	strip(is)
	if how == readRefused && !more { // so what is known is wrong
		how = readNothing
		strip(is)
	}
}

// thinksAlike reports whether a candidate is of the provider of the account a, or serves the same model as that.
func (x *exchange) thinksAlike(a *domain.Account, c *sched.Candidate) bool {
	if a.Platform == c.Account.Platform && a.BaseURL == c.Account.BaseURL {
		return true
	}
	sent, _ := a.Models.Resolve(x.req.Model)
	return bareModel(sent) == bareModel(c.Sent)
}

// bareModel is a model's name without the maker's in front, as resellers write it.
func bareModel(name string) string {
	return strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
}

// readable makes the payload without reasoning that the account cannot read; the lock is held. done is false where
// there is none; a nil payload with it: the body has been let go.
func (x *exchange) readable(c *sched.Candidate, k payloadKey, rename, ask dialect.Edit) (p *payload, done bool) {
	raw, used := x.body.use()
	if raw == nil {
		return nil, true
	}
	defer used()
	out, changed := raw, false
	var warnings []string
	if k.reader != 0 {
		x.unreadable(c, k.dialect, k.how, func(is func(string) bool) { out, changed = x.d.(dialect.Sealed).Unsealed(raw, is) })
		if changed {
			warnings = append(warnings, warnOf(x.d.ID()))
		}
	}
	if c, ok := x.d.(dialect.Clearer); ok && x.req.Marks.Has(dialect.MarkSeal) {
		if cleared, also := c.Cleared(out, k.sent); also {
			out, changed, warnings = cleared, true, append(warnings, warnForeign)
		}
	}
	if !changed {
		return nil, false
	}
	// The edits' places are those of the body as it came.
	req, err := x.d.Request(out, x.at)
	if err != nil {
		return nil, true
	}
	if rename.Present() {
		rename.At = req.ModelAt
	}
	if ask.Present() {
		ask = req.AskUsage
	}
	return x.remade(k, out, warnings, rename, ask), true
}

// remade keeps a payload whose body is another one than the caller's; the lock is held. nil: there is no memory for it.
func (x *exchange) remade(k payloadKey, out []byte, warnings []string, edits ...dialect.Edit) *payload {
	b := &body{budget: x.g.deps.Bodies, buf: out}
	if !b.budget.take(cap(out)) {
		return nil
	}
	x.payloads = append(x.payloads, payload{payloadKey: k, body: b.edit(edits...), own: b, warnings: warnings})
	return &x.payloads[len(x.payloads)-1]
}

// renamed makes the payload of a further path that names the model in its body as well as in its path; the lock is held.
func (x *exchange) renamed(k payloadKey, r dialect.Renamer) *payload {
	raw, done := x.body.use()
	if raw == nil {
		return nil
	}
	defer done()
	return x.remade(k, append([]byte(nil), r.Rename(raw, k.sent)...), nil)
}
