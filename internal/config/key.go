package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"turnout/internal/domain"
)

// The length of a caller's key. The longest is also the longest that is looked at
// in a request.
const (
	minKey = 16
	maxKey = 512
)

func (r *reader) keys(n node) {
	names := r.newNames("key")
	hashes := map[[32]byte]place{}
	n.list("keys", func(_ int, item node) {
		item = item.named()
		k := domain.Key{Origin: domain.OriginFile, Enabled: true}
		var secret domain.Secret
		var hashed bool
		item.mapping(append(item.spending(&k.Spending, purse|factor),
			field{"name", func(n node) { names.read(n, &k.Name) }},
			field{"secret", func(n node) { n.inlineSecret(&secret, minKey, maxKey) }},
			field{"secret_sha256", func(n node) { hashed = n.hash(&k.Hash) }},
			field{"pools", func(n node) { n.poolNames(&k.Pools) }},
			field{"owner", func(n node) { n.owner(&k.User, &k.Team) }},
			field{"models", func(n node) { n.patterns(&k.Models) }},
			field{"deny", func(n node) { n.patterns(&k.Deny) }},
			field{"require", func(n node) { n.labels(&k.Require) }},
			field{"networks", func(n node) { n.networks(&k.Networks) }},
			field{"tags", func(n node) { n.tags(&k.Tags) }},
			field{"tag_header", func(n node) { n.tagNames(&k.TagHeader) }},
			field{"expires", func(n node) {
				scalar(&k.Expires, expiry)(n)
				if !k.Expires.IsZero() && k.Expires.Before(time.Now()) {
					r.warn(n.at, "the key has expired already")
				}
			}},
			field{"commit", func(n node) {
				before, c := len(r.problems), domain.Commit{}
				if n.commit(&c); len(r.problems) == before {
					k.Commit = &c
				}
			}},
			field{"show_decision", scalar(&k.Decision, yesNo)},
			field{"rates", func(n node) { n.rates(&k.Rates) }},
			field{"overrides", func(n node) { n.overrides(&k.Overrides) }},
		)...)
		if _, ok := item.pairsQuietly(); !ok {
			return
		}
		names.need(item, k.Name)
		r.defaultPools(&k.Pools, item)
		item.overdraft(&k.Spending)
		plain, digest := r.seen(item.at.path+".secret"), r.seen(item.at.path+".secret_sha256")
		switch {
		case plain && digest:
			r.problem(item.at, "the secret is given twice, as secret and as secret_sha256: keep one of them")
		case !plain && !digest && r.known != nil: // one is made
		case !plain && !digest:
			r.problem(item.at, "the key has no secret: add secret (%d characters or more) or secret_sha256 (of the secret, 64 hexadecimal digits)", minKey)
		}
		if !secret.IsZero() {
			k.Hash, hashed = sha256.Sum256([]byte(secret.Reveal())), true
		}
		if hashed {
			if other, taken := hashes[k.Hash]; taken {
				r.problem(item.at, "it has the same secret as %s (line %d): give each key a secret of its own", other.path, other.line)
			}
			hashes[k.Hash] = item.at
		}
		r.c.Keys = append(r.c.Keys, k)
	})
}

// hash reads 64 hexadecimal digits.
func (n node) hash(target *[32]byte) bool {
	text, ok := n.text()
	if !ok {
		return false
	}
	n.r.hide(text) // a secret is easily put here by mistake
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(target) {
		n.r.problem(n.at, "want the SHA-256 of the secret as 64 hexadecimal digits: printf %%s \"$SECRET\" | sha256sum")
		return false
	}
	copy(target[:], b)
	return true
}

func (n node) patterns(target *[]string) {
	n.list("models", func(_ int, item node) {
		text, ok := item.text()
		if !ok {
			return
		}
		if err := pattern(text); err != nil {
			n.r.problem(item.at, "%v", err)
			return
		}
		*target = append(*target, text)
	})
}

// overrides reads what a key's callers may choose themselves.
func (n node) overrides(target *[]string) {
	n.list("overrides", func(_ int, item node) {
		text, ok := item.text()
		switch {
		case !ok:
		case text != domain.OverrideCommit:
			n.r.problem(item.at, "want %s, which is all that a caller may choose itself (by the header x-turnout-commit); got %s%s",
				domain.OverrideCommit, show(text), suggestion(text, []string{domain.OverrideCommit}))
		case slices.Contains(*target, text):
			n.r.problem(item.at, "it is in the list twice")
		default:
			*target = append(*target, text)
		}
	})
}

// crossCheck looks at what single sections cannot know.
func (r *reader) crossCheck() {
	var pools []string
	known := make(map[string]bool, len(r.c.Pools))
	if r.known != nil {
		for _, name := range r.known.Pools {
			known[name] = true
			pools = append(pools, name)
		}
	}
	for _, p := range r.c.Pools {
		if p.Name != "" && !known[p.Name] {
			known[p.Name] = true
			pools = append(pools, p.Name)
		}
	}
	for _, ref := range r.poolsAt {
		if known[ref.name] {
			continue
		}
		if ref.name == defaultPool {
			r.problem(ref.at, "it belongs to the pool %q, which is not under pools: name another one in its pools, or add that one (there are: %s)", defaultPool, listNames(pools))
			continue
		}
		r.problem(ref.at, "there is no pool %s under pools (there are: %s)%s", show(ref.name), listNames(pools), suggestion(ref.name, pools))
	}
	r.checkOwners()
	if len(r.problems) > 0 || r.known != nil {
		return
	}
	whole := place{source: r.file}
	if len(r.c.Accounts) == 0 {
		r.warn(whole, "there are no accounts: no request can be served until some are added")
		return
	}
	served := map[string]bool{}
	for _, ref := range r.modelsAt {
		ok, asked := served[ref.name]
		if !asked {
			ok = slices.ContainsFunc(r.c.Accounts, func(a domain.Account) bool { _, ok := a.Models.Resolve(ref.name); return ok })
			served[ref.name] = ok
		}
		if !ok {
			r.warn(ref.at, "no account serves this model: the fallback does nothing until it stands under some account's models")
		}
	}
	if len(r.c.Keys) == 0 {
		r.warn(whole, "there are no keys: every request will be refused until some are added")
	}
	lives := r.poolsWithAccounts()
	keys, _ := domain.Link(r.c.Keys, r.c.Users, r.c.Teams)
	for i := range keys {
		if k := &keys[i]; !lives.usable(k) {
			r.warn(whole, "key %s can use no account: none is in its pools with the labels that the key and the pool require", k.Name)
		}
	}
}

// poolsWithAccounts are the pools by name, each with the accounts that it may use. Looked through key by key, pools and accounts
// of a large file would be billions of comparisons.
func (r *reader) poolsWithAccounts() poolAccounts {
	require := make(map[string]domain.Labels, len(r.c.Pools))
	for i := range r.c.Pools {
		require[r.c.Pools[i].Name] = r.c.Pools[i].Require
	}
	lives := poolAccounts{}
	for i := range r.c.Accounts {
		a := &r.c.Accounts[i]
		for _, name := range a.Pools {
			if l, ok := require[name]; ok && a.Labels.Satisfy(l) {
				lives[name] = append(lives[name], a)
			}
		}
	}
	return lives
}

type poolAccounts map[string][]*domain.Account

// usable reports whether there is an account that the key may use.
func (p poolAccounts) usable(k *domain.Key) bool {
	return slices.ContainsFunc(k.Pools, func(name string) bool {
		return slices.ContainsFunc(p[name], func(a *domain.Account) bool { return a.Labels.Satisfy(k.Require) })
	})
}

// listNames shows at most a few.
func listNames(names []string) string {
	const most = 8
	var out string
	for i, n := range names {
		if i == most {
			return out + fmt.Sprintf(" and %d more", len(names)-most)
		}
		if i > 0 {
			out += ", "
		}
		out += n
	}
	return out
}
