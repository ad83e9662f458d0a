package credential

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"turnout/internal/domain"
)

func ring(t testing.TB, current Key, old ...Key) *Ring {
	t.Helper()
	r, err := NewRing(current, old...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func seal(t testing.TB, r *Ring, plain string) []byte {
	t.Helper()
	b, err := r.Seal([]byte(plain), "accounts", "a1", "secrets")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealOpens(t *testing.T) {
	r := ring(t, NewKey())
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		table, row, column := rapid.String().Draw(t, "table"), rapid.String().Draw(t, "row"), rapid.String().Draw(t, "column")
		sealed, err := r.Seal(plain, table, row, column)
		if err != nil || len(sealed) != len(plain)+33 {
			t.Fatalf("%d bytes for %d, %v", len(sealed), len(plain), err)
		}
		opened, err := r.Open(sealed, table, row, column)
		if err != nil || !bytes.Equal(opened, plain) {
			t.Fatalf("%q, %v", opened, err)
		}
	})
}

func TestSealedFormsDiffer(t *testing.T) {
	r := ring(t, NewKey())
	a, b := seal(t, r, "sk-canary-canary"), seal(t, r, "sk-canary-canary")
	if bytes.Equal(a, b) || bytes.Contains(a, []byte("canary")) {
		t.Error("sealing is not hiding")
	}
}

func TestOnlyItsOwnPlaceOpens(t *testing.T) {
	r := ring(t, NewKey())
	sealed := seal(t, r, "secret")
	for _, p := range [][3]string{
		{"accounts", "a2", "secrets"}, {"keys", "a1", "secrets"}, {"accounts", "a1", "secret"},
		{"accountsa1", "", "secrets"}, {"accounts", "a1secrets", ""}, {"account", "sa1", "secrets"}, {"", "", ""},
	} {
		if _, err := r.Open(sealed, p[0], p[1], p[2]); !errors.Is(err, ErrTampered) {
			t.Errorf("%v: err = %v", p, err)
		}
	}
}

func TestEveryChangedBitIsFound(t *testing.T) {
	r := ring(t, NewKey())
	sealed := seal(t, r, "secret")
	for i := range len(sealed) * 8 {
		changed := bytes.Clone(sealed)
		changed[i/8] ^= 1 << (i % 8)
		if _, err := r.Open(changed, "accounts", "a1", "secrets"); err == nil {
			t.Errorf("bit %d may be changed", i)
		}
	}
	for n := range len(sealed) {
		if _, err := r.Open(sealed[:n], "accounts", "a1", "secrets"); err == nil {
			t.Errorf("%d bytes are enough", n)
		}
	}
}

func TestRotation(t *testing.T) {
	oldKey, newKey := NewKey(), NewKey()
	before, after := ring(t, oldKey), ring(t, newKey, oldKey, newKey)
	sealed := seal(t, before, "secret")
	if !before.Current(sealed) || after.Current(sealed) {
		t.Error("Current does not tell old from new")
	}
	if plain, err := after.Open(sealed, "accounts", "a1", "secrets"); err != nil || string(plain) != "secret" {
		t.Errorf("%q, %v", plain, err)
	}
	anew := seal(t, after, "secret")
	if !after.Current(anew) {
		t.Error("sealed anew and still not current")
	}
	_, err := before.Open(anew, "accounts", "a1", "secrets")
	if !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "master.key") {
		t.Errorf("err = %v", err)
	}
	if after.Current(nil) || after.Current(make([]byte, 100)) {
		t.Error("nonsense is current")
	}
	if _, err := after.Open([]byte("short"), "", "", ""); !errors.Is(err, ErrForm) {
		t.Errorf("err = %v", err)
	}
	if _, err := NewRing(Key{}); err == nil {
		t.Error("a ring without a key")
	}
}

func TestParseKey(t *testing.T) {
	k := NewKey()
	for _, text := range []string{
		hex.EncodeToString(k.bytes[:]), strings.ToUpper(hex.EncodeToString(k.bytes[:])),
		base64.StdEncoding.EncodeToString(k.bytes[:]), base64.RawStdEncoding.EncodeToString(k.bytes[:]),
		base64.URLEncoding.EncodeToString(k.bytes[:]), " " + base64.RawURLEncoding.EncodeToString(k.bytes[:]) + "\r\n",
	} {
		if got, err := ParseKey(domain.NewSecret(text)); err != nil || got != k {
			t.Errorf("a form is not read: %v", err)
		}
	}
	for _, text := range []string{"", "canary", strings.Repeat("canary", 7), hex.EncodeToString(k.bytes[:31]), strings.Repeat("00", 32), hex.EncodeToString(k.bytes[:]) + "00"} {
		if _, err := ParseKey(domain.NewSecret(text)); err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "openssl rand") {
			t.Errorf("%d characters: err = %v", len(text), err)
		}
	}
}

func TestLoadOrCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	k, created, err := LoadOrCreate(dir)
	if err != nil || !created || k.IsZero() {
		t.Fatalf("%v, %v", created, err)
	}
	again, created, err := LoadOrCreate(dir)
	if err != nil || created || again != k {
		t.Errorf("the second start: %v, %v, same key: %v", created, err, again == k)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("files left over: %v, %v", entries, err)
	}
	path := filepath.Join(dir, FileName)
	if runtime.GOOS != "windows" {
		for name, want := range map[string]os.FileMode{dir: 0o700, path: 0o600} {
			if fi, err := os.Stat(name); err != nil || fi.Mode().Perm() != want {
				t.Errorf("%s: %v, %v", name, fi.Mode(), err)
			}
		}
		for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			if _, _, err := LoadOrCreate(dir); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
				t.Errorf("mode %o: err = %v", mode, err)
			}
		}
		if err := os.Chmod(path, 0o400); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadFile(path); err != nil || got != k {
			t.Errorf("mode 0400: %v", err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A damaged file is not replaced: that would cost every stored secret.
	if err := os.WriteFile(path, []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := LoadOrCreate(dir); err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), path) {
		t.Errorf("err = %v", err)
	}
	if _, err := ReadFile(dir); err == nil || !strings.Contains(err.Error(), "is not a file") && runtime.GOOS != "windows" {
		t.Errorf("a directory: err = %v", err)
	}
}

func TestFirstStartsAtOnceAgree(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	keys := make([]Key, 16)
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], _, err = LoadOrCreate(dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k != keys[0] {
			t.Fatal("two processes have two keys")
		}
	}
}

func TestKeysNeverPrint(t *testing.T) {
	k := NewKey()
	b, err := json.Marshal(struct{ K Key }{k})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %x %s %d", k, &k, k, k, k, k), string(b)} {
		for _, form := range []string{hex.EncodeToString(k.bytes[:4]), base64.StdEncoding.EncodeToString(k.bytes[:])[:8], fmt.Sprint(k.bytes[0], k.bytes[1], k.bytes[2])} {
			if strings.Contains(s, form) {
				t.Errorf("the key shows in %q", s)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	r, err := NewRing(NewKey())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seal(f, r, "x"))
	f.Add([]byte{version})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if plain, err := r.Open(sealed, "accounts", "a1", "secret"); err == nil {
			t.Errorf("opened to %q", plain)
		}
	})
}
