package gateway

import (
	"turnout/internal/dialect"
	"turnout/internal/sched"
)

// Reasoning that a provider encrypts can be read by the organisation that it was written for
// and nobody else (Responses: 400 invalid_encrypted_content). A session stays where it is bound for that
// reason among others; where it has to move, such reasoning is left out, and the caller is told.

const warnSealed = "dropped encrypted reasoning: another account wrote it, and the one that answers cannot read it"

// sealed reports whether the request may hold such reasoning.
func (x *exchange) sealed() bool {
	_, ok := x.d.(dialect.Sealed)
	return ok && x.path == ""
}

// movedFrom reports whether a candidate belongs to another organisation than the account
// that the session was bound to when the request came.
func (x *exchange) movedFrom(c *sched.Candidate) bool {
	if !x.sealed() || c.Foreign || x.boundAtStart == 0 || x.boundAtStart == c.ID {
		return false
	}
	a := x.snap.account(x.boundAtStart)
	return a == nil || sched.OrganizationOf(a) != c.Organization
}

// unseal makes the payload without such reasoning; the lock is held. nil: the body has been let go.
func (x *exchange) unseal(k payloadKey, edits ...dialect.Edit) *payload {
	raw, done := x.body.use()
	if raw == nil {
		return nil
	}
	defer done()
	out, changed := x.d.(dialect.Sealed).Unsealed(raw)
	if !changed {
		p := x.body.edit(edits...)
		if p == nil {
			return nil
		}
		x.payloads = append(x.payloads, payload{payloadKey: k, body: p})
		return &x.payloads[len(x.payloads)-1]
	}
	// The edits' places are those of the body as it came.
	req, err := x.d.Request(out, x.at)
	if err != nil {
		return nil
	}
	for i := range edits {
		if edits[i].At == x.req.ModelAt {
			edits[i].At = req.ModelAt
		} else {
			edits[i] = req.AskUsage
		}
	}
	return x.remade(k, out, []string{warnSealed}, edits...)
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
