package credential

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"turnout/internal/domain"
)

// FileName is the master key's name in the data directory.
const FileName = "master.key"

// NewKey makes a random master key.
func NewKey() Key {
	var k Key
	_, _ = rand.Read(k.bytes[:]) // never fails
	return k
}

// ParseKey reads a master key: 32 bytes in base64 (with or without padding, also
// the URL form) or in hexadecimal, with any space around it. Its errors never hold
// the text.
func ParseKey(text domain.Secret) (Key, error) {
	s := strings.TrimSpace(text.Reveal())
	decode := []func(string) ([]byte, error){
		hex.DecodeString,
		base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
		base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	}
	for _, d := range decode {
		if b, err := d(s); err == nil && len(b) == KeySize {
			k := Key{[KeySize]byte(b)}
			if k.IsZero() {
				return Key{}, errors.New("the master key is all zeros: make a random one with `openssl rand -base64 32`")
			}
			return k, nil
		}
	}
	return Key{}, fmt.Errorf("a master key is %d bytes in base64 or hexadecimal (`openssl rand -base64 32` makes one); this text of %d characters is not", KeySize, len(s))
}

// ReadFile reads a master key from a file that only its owner may read.
func ReadFile(path string) (Key, error) {
	const doing = "read the master key"
	f, err := os.Open(path)
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", doing, err)
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", doing, err)
	}
	if !fi.Mode().IsRegular() {
		return Key{}, fmt.Errorf("%s: %s is not a file", doing, path)
	}
	if perm := fi.Mode().Perm(); runtime.GOOS != "windows" && perm&0o077 != 0 {
		return Key{}, fmt.Errorf("%s: other users may read or change %s (mode %04o), and with it every stored secret: chmod 600 %s", doing, path, perm, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", doing, err)
	}
	k, err := ParseKey(domain.NewSecret(string(b)))
	if err != nil {
		return Key{}, fmt.Errorf("%s from %s: %w", doing, path, err)
	}
	return k, nil
}

// LoadOrCreate reads the master key of a data directory, or makes it at the first
// start (the directory too). created tells which. When two processes start at
// once, both get the same key.
func LoadOrCreate(dataDir string) (key Key, created bool, err error) {
	path := filepath.Join(dataDir, FileName)
	key, err = ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return Key{}, false, fmt.Errorf("make the data directory (data_dir): %w", err)
	}
	key = NewKey()
	if err := writeNew(path, base64.StdEncoding.EncodeToString(key.bytes[:])+"\n"); err != nil {
		if errors.Is(err, fs.ErrExist) { // another process was faster
			key, err = ReadFile(path)
			return key, false, err
		}
		return Key{}, false, fmt.Errorf("keep the new master key in the data directory (data_dir): %w", err)
	}
	return key, true, nil
}

// writeNew writes a file whole or not at all, and only if there is none: a key
// that is half written, or replaced, would cost every stored secret.
func writeNew(path, text string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), FileName+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if _, err = f.WriteString(text); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	// Link fails if path exists, where a rename would replace it. Where a file
	// system has no links, making the file exclusively is the next best.
	if err = os.Link(f.Name(), path); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = out.WriteString(text); err == nil {
		err = out.Sync()
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}
