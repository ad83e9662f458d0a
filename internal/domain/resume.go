package domain

import "fmt"

// Resume is how an answer that breaks after its commit may be gone on with, as bits. The zero Resume: not at all.
type Resume uint8

// The ways, and both.
const (
	ResumeContinue Resume = 1 << iota // where the model takes an answer that was begun, it goes on with it
	ResumeRepeat                      // the request is asked again, and joined on if the answer begins with what was sent
	ResumeBoth     = ResumeContinue | ResumeRepeat
)

var resumeNames = [...]string{"off", "continue", "repeat", "both"}

// String is its name in the configuration.
func (r Resume) String() string { return resumeNames[r&ResumeBoth] }

// ParseResume reads a name.
func ParseResume(s string) (Resume, error) {
	for i, name := range resumeNames {
		if s == name {
			return Resume(i), nil
		}
	}
	return 0, fmt.Errorf("want off, continue, repeat or both")
}
