package main

import (
	"strings"
	"testing"
)

const run = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"chatter\n"}
{"Action":"run","Package":"p","Test":"TestA/sub"}
{"Action":"pass","Package":"p","Test":"TestA/sub"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    x_test.go:1: got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestC","Output":"    x_test.go:2: no database\n"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"fail","Package":"p","Elapsed":1}
{"Action":"pass","Package":"none","Elapsed":0}
{"Action":"output","Package":"crash","Test":"TestD","Output":"panic: oh\n"}
{"Action":"output","Package":"crash","Output":"exit status 2\n"}
{"Action":"fail","Package":"crash","Elapsed":2}
{"ImportPath":"broken","Action":"build-output","Output":"x.go:1: undefined: y\n"}
{"ImportPath":"broken","Action":"build-fail"}
{"Action":"fail","Package":"broken","FailedBuild":"broken"}
not JSON
`

func TestSummary(t *testing.T) {
	var out strings.Builder
	s := &summary{out: &out, output: map[string]*strings.Builder{}, byPackage: map[string]int{}, failedIn: map[string]bool{}}
	if err := s.read(strings.NewReader(run)); err != nil {
		t.Fatal(err)
	}
	if s.passed != 2 || s.failed != 3 || s.skipped != 1 {
		t.Errorf("%d passed, %d failed, %d skipped; want 2, 3, 1", s.passed, s.failed, s.skipped)
	}
	for _, want := range []string{"got 1, want 2", "no database", "panic: oh", "undefined: y", "not JSON"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "chatter") {
		t.Errorf("a test that passed is quoted:\n%s", out.String())
	}
}
