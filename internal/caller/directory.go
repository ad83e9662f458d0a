package caller

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"slices"
	"time"

	"turnout/internal/domain"
)

// MaxSecret is the longest key that is looked at, in bytes. Longer ones are refused
// unread, so that nobody makes us hash megabytes.
const MaxSecret = 512

const doing = "check the caller's key"

// Directory finds a key by its secret. It is immutable: an edit makes a new one.
// All methods may be used from any goroutine. A nil Directory knows no key.
type Directory struct {
	byHash map[[sha256.Size]byte]entry
	names  int
}

// entry is a secret that is known.
type entry struct {
	key   *domain.Key
	until time.Time // of a secret before the last rotation: when it ends; zero: the key's own
}

// NewDirectory compiles a directory. It copies the keys but shares what their
// slices and maps hold, which must not change afterwards. Of several keys with one
// hash the enabled one counts (a key that was renamed leaves a disabled one
// behind); two enabled ones are an error. The hash before a key's last rotation counts where no key has it.
func NewDirectory(keys []domain.Key) (*Directory, error) {
	d := &Directory{byHash: make(map[[sha256.Size]byte]entry, len(keys)), names: len(keys)}
	for _, k := range keys {
		if other, taken := d.byHash[k.Hash]; taken {
			if other.key.Enabled && k.Enabled {
				return nil, fmt.Errorf("keys %q and %q have the same secret: give each a secret of its own", other.key.Name, k.Name)
			}
			d.names--
			if other.key.Enabled {
				continue
			}
		}
		d.byHash[k.Hash] = entry{key: &k}
	}
	for _, k := range keys {
		if k.FormerUntil.IsZero() {
			continue
		}
		now, known := d.byHash[k.Hash]
		if _, taken := d.byHash[k.Former]; !taken && known && now.key.Name == k.Name {
			d.byHash[k.Former] = entry{now.key, k.FormerUntil}
		}
	}
	return d, nil
}

// Check finds the key of a secret, as it came, and whether it may be used at now.
// The key is shared and must not be modified. Errors are *domain.Error of kind
// unauthenticated with words for the caller; whoever does not hold a key's secret
// learns nothing of it. A key that is found costs no allocation.
func (d *Directory) Check(secret string, now time.Time) (*domain.Key, error) {
	if secret == "" {
		return nil, Missing()
	}
	if len(secret) > MaxSecret {
		return nil, unknown()
	}
	var buf [MaxSecret]byte // a conversion would put the secret on the heap
	hash := sha256.Sum256(buf[:copy(buf[:], secret)])
	clear(buf[:len(secret)])
	if d == nil {
		return nil, unknown()
	}
	// The map compares hashes in variable time, which tells an attacker nothing
	// useful: the hash of a guess cannot be steered towards a stored one. The last
	// word is a comparison in constant time all the same.
	e, known := d.byHash[hash]
	if !known {
		return nil, unknown()
	}
	k, own := e.key, &e.key.Hash
	if !e.until.IsZero() {
		own = &k.Former
	}
	if subtle.ConstantTimeCompare(own[:], hash[:]) != 1 {
		return nil, unknown()
	}
	if why := k.Barred(now); why != "" {
		return nil, domain.Errorf(domain.KindUnauthenticated, doing, "This API key %s. Ask whoever runs this Turnout for another one.", why)
	}
	if !e.until.IsZero() && !now.Before(e.until) {
		return nil, domain.Errorf(domain.KindUnauthenticated, doing, "This API key was replaced by a new one, and ended on %s. Ask whoever runs this Turnout for the new one.",
			e.until.UTC().Format("2006-01-02 15:04 MST"))
	}
	return k, nil
}

// Knows reports whether it is the secret of a key, which may be disabled or expired.
func (d *Directory) Knows(secret string) bool {
	return d != nil && secret != "" && len(secret) <= MaxSecret && d.byHash[sha256.Sum256([]byte(secret))].key != nil
}

// Named gives an enabled key by its name, or nil, and the names of all enabled ones, sorted.
func (d *Directory) Named(name string) (key *domain.Key, names []string) {
	if d == nil {
		return nil, nil
	}
	for _, e := range d.byHash {
		k := e.key
		if !k.Enabled || !e.until.IsZero() {
			continue
		}
		names = append(names, k.Name)
		if k.Name == name {
			key = k
		}
	}
	slices.Sort(names)
	return key, names
}

// Len is how many keys there are, disabled and expired ones too.
func (d *Directory) Len() int {
	if d == nil {
		return 0
	}
	return d.names
}

// Missing is the error for a request without a key.
func Missing() *domain.Error {
	return domain.Errorf(domain.KindUnauthenticated, doing,
		"The request carries no API key. Send your Turnout key as \"Authorization: Bearer <key>\" or in the header x-api-key or x-goog-api-key.")
}

func unknown() *domain.Error {
	return domain.Errorf(domain.KindUnauthenticated, doing,
		"This API key is not known here. Check that it is a key of this Turnout, not a provider's, and that it was copied whole.")
}
