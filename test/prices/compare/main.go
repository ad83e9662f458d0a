// Command compare prices random usages three times: by internal/price, by the calculator of the npm package that the
// catalogue is made from, and by hand in rational numbers. All three must find the same model; the integer must be
// the rational number rounded half to even, and the package's float must be within its own error of it.
//
// A usage is drawn as cells that do not overlap, such as prompt tokens that were audio and read from a cache. From the cells come
// the package's overlapping totals; by hand each cell is priced at the most particular price that covers it. So the
// arithmetic by hand subtracts nothing, and shares nothing with what it checks but the prices.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"time"

	"turnout/internal/price"
)

func main() {
	calc := flag.String("calc", "test/prices/calc.mjs", "the script that asks the package")
	n := flag.Int("n", 10_000, "how many usages to price; names that mean no model come on top")
	seed := flag.Uint64("seed", 20261126, "what they are drawn from")
	turnout := flag.String("turnout", "", "a turnout whose command line prices some of them too")
	counts := flag.String("counts", "", "file that the counts are appended to: passed failed skipped")
	flag.Parse()
	passed, failed, err := run(*calc, *turnout, *n, *seed)
	if *counts != "" {
		f, e := os.OpenFile(*counts, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if e == nil {
			_, e = fmt.Fprintf(f, "%d %d 0\n", passed, failed)
			e = errors.Join(e, f.Close())
		}
		err = errors.Join(err, e)
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d differ", failed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// question is what is asked of all.
type question struct {
	Provider string                 `json:"provider"`
	Model    string                 `json:"model"`
	At       time.Time              `json:"at"`
	Usage    map[string]json.Number `json:"usage"`

	cells map[*cell]*big.Rat
}

// reply is the package's.
type reply struct {
	Total    json.Number `json:"total"`
	Provider string      `json:"provider"`
	Model    string      `json:"model"`
	Error    string      `json:"error"`
}

func run(calc, turnout string, n int, seed uint64) (passed, failed int, err error) {
	d := &draw{Rand: rand.New(rand.NewPCG(seed, seed)), file: price.BuiltinFile()} //nolint:gosec // the same usages each time are the point
	questions := make([]*question, n*4/3)
	for i := range questions {
		questions[i] = d.question(i)
	}
	replies, err := ask(calc, questions)
	if err != nil {
		return 0, 0, err
	}
	var s summary
	perProvider := map[string]bool{}
	for i, q := range questions {
		problem := s.check(q, replies[i])
		if problem == "" && turnout != "" && i%(n/40+1) == 0 { // some fifty
			problem = s.command(turnout, q)
		}
		if _, seen := perProvider[q.Provider]; !seen || problem != "" {
			perProvider[q.Provider] = problem == ""
		}
		if problem == "" {
			continue
		}
		if failed++; failed <= 20 {
			text, _ := json.Marshal(q)
			fmt.Printf("%s\n  %s\n", problem, text)
		}
	}
	for _, ok := range perProvider {
		if ok {
			passed++
		}
	}
	fmt.Printf("%d usages of %d providers and %d models: %d priced, %d of them above a long-context tier's start, %d with no such model, %d by the command line; %d differ\n",
		len(questions), len(perProvider), len(s.models), s.priced, s.tiered, s.unknown, s.commands, failed)
	if failed == 0 && (s.priced < n || s.tiered < n/100 || s.unknown == 0) {
		return passed, failed, errors.New("that proves too little")
	}
	return passed, failed, nil
}

// ask has the package price everything.
func ask(calc string, questions []*question) ([]reply, error) {
	var in bytes.Buffer
	e := json.NewEncoder(&in)
	for _, q := range questions {
		if err := e.Encode(q); err != nil {
			return nil, err
		}
	}
	c := exec.CommandContext(context.Background(), "node", calc)
	c.Stdin, c.Stderr = &in, os.Stderr
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", calc, err)
	}
	var replies []reply
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		var r reply
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, err
		}
		replies = append(replies, r)
	}
	if len(replies) != len(questions) {
		return nil, fmt.Errorf("%d answers to %d questions", len(replies), len(questions))
	}
	return replies, nil
}

type summary struct {
	priced, tiered, unknown, commands int
	models                            map[string]bool
}

// check says what is wrong, or nothing.
func (s *summary) check(q *question, r reply) string {
	p, ok := price.Builtin().Listed(q.Provider, q.Model, q.At)
	switch {
	case r.Error != "":
		return "the package refuses a usage that can be: " + r.Error
	case r.Model == "" && ok:
		return "the package knows no such model, and Turnout finds " + p.Name()
	case r.Model == "":
		s.unknown++
		return ""
	case !ok:
		return "Turnout finds no " + r.Provider + "/" + r.Model
	}
	name := p.Provider() + "/" + p.Model()
	prices, found := pricesAt(r, q.At)
	switch {
	case !found:
		return r.Model + " is not in the catalogue"
	// The package says whom it asked; a model found at one that it fell back to is that one's.
	case p.Model() != r.Model:
		return "the package finds " + r.Model + ", and Turnout " + p.Name()
	}
	ours, err := cost(p, q)
	if err != nil {
		return "Turnout refuses a usage that can be: " + err.Error()
	}
	exact := q.byHand(prices)
	if want := halfEven(exact); strconv.FormatInt(ours, 10) != want.String() {
		return fmt.Sprintf("%s: Turnout says %d nano-USD, by hand it is %s (%s)", p.Name(), ours, want, exact.FloatString(12))
	}
	theirs, ok := new(big.Rat).SetString(r.Total.String())
	if !ok {
		return "the package says " + r.Total.String()
	}
	theirs.Mul(theirs, big.NewRat(1_000_000_000, 1))
	// A float of 64 bits is good for 53; some twenty operations are in a price.
	within := new(big.Rat).Mul(exact, big.NewRat(40, 1<<53))
	if diff := new(big.Rat).Sub(theirs, exact); diff.Abs(diff).Cmp(within) > 0 {
		return fmt.Sprintf("%s: by hand it is %s nano-USD, and the package says %s", p.Name(), exact.FloatString(12), theirs.FloatString(12))
	}
	s.priced++
	if s.models == nil {
		s.models = map[string]bool{}
	}
	s.models[name] = true
	if q.long(prices) {
		s.tiered++
	}
	return ""
}

func cost(p *price.Plan, q *question) (int64, error) {
	text, err := json.Marshal(q.Usage)
	if err != nil {
		return 0, err
	}
	a, err := price.ReadAmounts(text)
	if err != nil {
		return 0, err
	}
	n, err := p.CostOf(a, 0)
	return int64(n), err
}

// command has the command line price it too.
func (s *summary) command(turnout string, q *question) string {
	want := "no such model"
	if p, ok := price.Builtin().Listed(q.Provider, q.Model, q.At); ok {
		n, err := cost(p, q)
		if err != nil {
			return err.Error()
		}
		want = strconv.FormatInt(n, 10) + "\n"
	}
	usage, err := json.Marshal(q.Usage)
	if err != nil {
		return err.Error()
	}
	c := exec.CommandContext(context.Background(), turnout, "prices", "cost", "--builtin", "--at", q.At.Format(time.RFC3339Nano), "--", q.Provider, q.Model, string(usage)) //nolint:gosec // the stage says which
	out, err := c.Output()
	s.commands++
	switch {
	case want == "no such model" && (err == nil || len(out) > 0):
		return fmt.Sprintf("turnout prices cost says %q of a model that is not there", out)
	case want != "no such model" && (err != nil || string(out) != want):
		return fmt.Sprintf("turnout prices cost says %q (%v), want %q", out, err, want)
	}
	return ""
}

// halfEven rounds a number that is not negative.
func halfEven(r *big.Rat) *big.Int {
	q, rest := new(big.Int).QuoRem(r.Num(), r.Denom(), new(big.Int))
	if c := rest.Lsh(rest, 1).Cmp(r.Denom()); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return q
}
