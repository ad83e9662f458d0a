package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the kernel's unit of accounted CPU time: USER_HZ is 100 on every Linux
// that Go runs on.
const tick = 10 * time.Millisecond

// Positions in /proc/<pid>/stat, counted from the field after the command's name.
const (
	statParent = 1
	statUser   = 11
	statSystem = 12
	statWaited = 14 // the last of user, system, and both of waited-for children
)

// Tree lists the process root and everything below it, root first.
func Tree(root int) []int {
	children := map[int][]int{}
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good: no error
	for _, p := range paths {
		f := stat(p)
		if len(f) <= statParent {
			continue // gone meanwhile
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(p)))
		parent, _ := strconv.Atoi(f[statParent])
		children[parent] = append(children[parent], pid)
	}
	tree := []int{root}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree
}

// stat gives the fields of a stat file after the command's name, which may itself
// hold blanks and brackets; nil for a process that is gone.
func stat(path string) []string {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return nil
	}
	return strings.Fields(string(b[end+1:]))
}

// CPU is the time that the tree below root has spent on a processor so far, in
// steps of 10 ms.
func CPU(root int) time.Duration {
	var ticks int64
	for _, pid := range Tree(root) {
		f := stat(fmt.Sprintf("/proc/%d/stat", pid))
		if len(f) <= statWaited {
			continue
		}
		for i := statUser; i <= statWaited; i++ {
			n, _ := strconv.ParseInt(f[i], 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * tick
}

// Resident is the resident memory of the tree below root in KiB. Pages of files
// that further processes of the tree share are counted once.
func Resident(root int) int64 {
	var sum int64
	for i, pid := range Tree(root) {
		sum += resident(pid, i == 0)
	}
	return sum
}

func resident(pid int, files bool) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	var sum int64
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, ":")
		if name == "RssAnon" || files && (name == "RssFile" || name == "RssShmem") {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			sum += n
		}
	}
	return sum
}

// Peak samples the resident memory of a tree until it is asked for the highest value.
type Peak struct {
	quit chan struct{}
	done chan int64
}

// sampling is fast beside the seconds for which streams are open.
const sampling = 100 * time.Millisecond

// NewPeak begins to sample. Stop must be called once.
func NewPeak(root int) *Peak {
	p := &Peak{make(chan struct{}), make(chan int64, 1)}
	go func() {
		t := time.NewTicker(sampling)
		defer t.Stop()
		peak := Resident(root)
		for {
			select {
			case <-p.quit:
				p.done <- max(peak, Resident(root))
				return
			case <-t.C:
				peak = max(peak, Resident(root))
			}
		}
	}()
	return p
}

// Stop ends the sampling and gives the highest value in KiB.
func (p *Peak) Stop() int64 {
	close(p.quit)
	return <-p.done
}
