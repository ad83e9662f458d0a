package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
