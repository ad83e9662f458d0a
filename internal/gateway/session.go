package gateway

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"slices"
	"strings"

	"turnout/internal/dialect"
	"turnout/internal/domain"
)

// Signal is what named a session. The numbers are stored in traces: append, never renumber.
type Signal uint8

// The signals, in the order in which they are believed.
const (
	SignalNone Signal = iota
	SignalClaudeCode
	SignalMetadata
	SignalSessionHeader
	SignalAffinityHeader
	SignalCacheKey
	SignalPreviousResponse
	SignalDerived
	SignalNamed
)

// String is the signal's name in traces.
func (s Signal) String() string {
	return [...]string{"none", "claude-code-session", "metadata.user_id", "session-header", "affinity-header", "prompt_cache_key", "previous_response_id", "derived", "x-turnout-session"}[s]
}

// session is the identity of a conversation for one caller.
type session struct {
	id     domain.SessionID
	signal Signal
	parent domain.SessionID // of a sub-agent: the session of the agent that began it
}

// sessionHeader lets a caller name its session, before every other signal, or have none.
const (
	sessionHeader = "X-Turnout-Session"
	noSession     = "none"
)

// derived: the session was guessed from the conversation's opening.
func (s session) derived() bool { return s.signal == SignalDerived }

// maxSignal is the longest signal that is believed, in bytes. A longer one is no
// session at all: cutting it might join two.
const maxSignal = 255

// Headers that name a session, by what clients really send (captured: Claude Code
// 2.1.330, Codex 0.169.0, OpenCode 1.18.33).
var (
	sessionHeaders  = []string{"Session-Id", "Session_id", "Conversation_id", "Thread-Id"}
	affinityHeaders = []string{"X-Session-Affinity", "X-Session-Id"}
)

// identify finds the session of a request. Two keys never share one, nor do two
// pools or two dialects: what one dialect made warm, another would only reach through a translation.
// A sub-agent has its own within its parent's session. body is needed only where nothing else
// names a session.
func identify(h http.Header, d dialect.Dialect, r *dialect.Request, body []byte, key domain.KeyID, pool domain.PoolID) session {
	value, signal := named(h, r)
	hash := sha256.New()
	ids := nameSpace(d.ID(), key, pool)
	if signal == SignalNone {
		signal = SignalDerived
		ids[16] = byte(signal)
		hash.Write(ids[:])
		hash.Write([]byte(family(r.Model)))
		hash.Write([]byte{0})
		d.Opening(body, r, hash)
	} else {
		if len(value) > maxSignal || signal == SignalNamed && value == noSession {
			return session{}
		}
		// Every explicit signal shares one name space: clients send the same value in
		// a header and in the body.
		hash.Write(ids[:])
		hash.Write([]byte(value))
	}
	// Claude Code names its sub-agents under the session that they share (2.1.258 and newer).
	agent, above := first(h, "X-Claude-Code-Agent-Id"), first(h, "X-Claude-Code-Parent-Agent-Id")
	s := session{signal: signal}
	own := hash.Sum(nil)
	copy(s.id[:], own)
	if agent == "" || len(agent) > maxSignal {
		return s
	}
	copy(s.parent[:], own)
	if above != "" && above != agent && len(above) <= maxSignal {
		copy(s.parent[:], within(own, above))
	}
	copy(s.id[:], within(own, agent))
	return s
}

// nameSpace is what parts equal values of different callers.
func nameSpace(d domain.Dialect, key domain.KeyID, pool domain.PoolID) (ids [18]byte) {
	binary.BigEndian.PutUint64(ids[:8], uint64(key))
	binary.BigEndian.PutUint64(ids[8:16], uint64(pool))
	ids[17] = byte(d)
	return ids
}

// sessionNamed is the session that a client names by a value, in a header or in the body.
func sessionNamed(value string, d domain.Dialect, key domain.KeyID, pool domain.PoolID) (id domain.SessionID) {
	ids := nameSpace(d, key, pool)
	sum := sha256.Sum256(append(ids[:], value...))
	copy(id[:], sum[:])
	return id
}

// within is an agent's own hash inside of its session's.
func within(session []byte, agent string) []byte {
	sum := sha256.Sum256(append(append(slices.Clone(session), 0), agent...))
	return sum[:]
}

func named(h http.Header, r *dialect.Request) (string, Signal) {
	if v := first(h, sessionHeader); v != "" {
		return v, SignalNamed
	}
	if v := first(h, "X-Claude-Code-Session-Id"); v != "" {
		return v, SignalClaudeCode
	}
	if r.MetadataSession != "" {
		return r.MetadataSession, SignalMetadata
	}
	for _, n := range sessionHeaders {
		if v := first(h, n); v != "" {
			return v, SignalSessionHeader
		}
	}
	for _, n := range affinityHeaders {
		if v := first(h, n); v != "" {
			return v, SignalAffinityHeader
		}
	}
	if r.PromptCacheKey != "" {
		return r.PromptCacheKey, SignalCacheKey
	}
	if r.PreviousResponseID != "" {
		return r.PreviousResponseID, SignalPreviousResponse
	}
	return "", SignalNone
}

func first(h http.Header, canonical string) string {
	if v := h[canonical]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// family is a model's name without the date of its version, so that an alias and
// the version behind it are one conversation.
func family(model string) string {
	model = strings.TrimSuffix(model, "-latest")
	if i := strings.LastIndexAny(model, "-@"); i > 0 && len(model)-i-1 == 8 {
		for _, c := range model[i+1:] {
			if c < '0' || c > '9' {
				return model
			}
		}
		return model[:i]
	}
	return model
}
