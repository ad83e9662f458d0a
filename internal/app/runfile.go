package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// runFile tells other commands on this machine where the running process listens.
type runFile struct{ path string }

// Running is what a run file says.
type Running struct {
	PID     int    `json:"pid"`
	Address string `json:"address"` // host:port
}

const runFileName = "turnout.run"

func writeRunFile(dir, addr string) (*runFile, error) {
	f := &runFile{filepath.Join(dir, runFileName)}
	data, err := json.Marshal(Running{os.Getpid(), addr})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(f.path, data, 0o600); err != nil {
		return nil, fmt.Errorf("write the run file: %w", err)
	}
	return f, nil
}

// lockDir keeps a second process off a data directory: two would undo each other's
// provisioning and each other's run file. The lock ends with the process, however that ends.
func lockDir(dir string) (*flock.Flock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory (data_dir): %w", err)
	}
	l := flock.New(filepath.Join(dir, "turnout.lock"), flock.SetPermissions(0o600))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the data directory %s: %w", dir, err)
	}
	if !ok {
		who := "another Turnout"
		if r, err := FindRunning(dir); err == nil {
			who = fmt.Sprintf("another Turnout (process %d, at %s)", r.PID, r.Address)
		}
		return nil, fmt.Errorf("%s is using the data directory %s: stop it, or give this one a data_dir of its own", who, dir)
	}
	return l, nil
}

func (f *runFile) remove() { _ = os.Remove(f.path) }

// FindRunning reads the run file of a data directory.
func FindRunning(dataDir string) (Running, error) {
	var r Running
	data, err := os.ReadFile(filepath.Join(dataDir, runFileName))
	if errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("no Turnout is running on the data directory %s", dataDir)
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("read the run file in %s: %w", dataDir, err)
	}
	return r, nil
}
