package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"turnout/internal/config"
	"turnout/internal/domain"
	"turnout/internal/platform"
)

// Exit codes.
const (
	ExitOK      = 0
	ExitFailed  = 1 // the command ran and the answer is no
	ExitMisused = 2 // the command line or the configuration is wrong
)

// Env is what a command sees of the process.
type Env struct {
	Args   []string  // without the program's name
	Stdin  io.Reader // nil: there is none
	Stdout io.Writer
	Stderr io.Writer
	Getenv config.Env
	// Reload receives a value when the process is asked to read its configuration again.
	Reload <-chan os.Signal
	// Abort ends when the process is told a second time to stop; nil: never.
	Abort context.Context
}

// commands is the command line.
type commands struct {
	Serve    serveCommand    `cmd:"" help:"Run the gateway."`
	Demo     demoCommand     `cmd:"" help:"Run the gateway against simulated providers, some of them failing, and show what happens."`
	Drill    drillCommand    `cmd:"" help:"Run the fault drill: simulated providers fail in every way, a real gateway stands before them, and a scorecard says how it did."`
	Sim      simCommand      `cmd:"" help:"Run a simulated provider (Anthropic Messages, OpenAI Chat Completions and Responses, Gemini) with failures on demand."`
	Explain  explainCommand  `cmd:"" help:"Explain why the gateway does what it does."`
	Sessions sessionsCommand `cmd:"" help:"Move a conversation to another account, or let it go."`
	Simulate simulateCommand `cmd:"" help:"Play a day, scripted or recorded, under several strategies and compare what comes of it."`
	Requests requestsCommand `cmd:"" help:"Show what happened to requests."`
	Usage    usageCommand    `cmd:"" help:"Add up what was used and what it cost, and export it request by request."`
	Keys     keysCommand     `cmd:"" help:"Make callers' keys, list them, give them new secrets, and take them away."`
	Accounts accountsCommand `cmd:"" help:"List accounts with their state, add one, test one, and take one out of use."`
	Pools    poolsCommand    `cmd:"" help:"List pools, or add one."`
	Teams    teamsCommand    `cmd:"" help:"List, make, disable and enable teams."`
	Users    usersCommand    `cmd:"" help:"List, make, disable and enable users."`
	Ledger   ledgerCommand   `cmd:"" help:"Look at balances, put money into them, check the books, close months, and compare with what a provider says."`
	Prices   pricesCommand   `cmd:"" help:"Look at what models cost, price a usage, and put another catalogue in force."`
	Reload   reloadCommand   `cmd:"" help:"Make the running gateway read its configuration again."`
	Config   configCommand   `cmd:"" help:"Check a configuration file, or print an example."`
	Failover failoverCommand `cmd:"" help:"Check the failover core."`
	Version  versionCommand  `cmd:"" help:"Print the version."`

	Completion completionCommand `cmd:"" help:"Print what makes a shell complete turnout's commands: bash, zsh or fish."`
	Complete   completeCommand   `cmd:"" name:"__complete" hidden:""`
}

// session is what every command's Run gets.
type session struct {
	Env
	ctx context.Context
}

// errFailed is the outcome of a command that has said everything already.
var errFailed = errors.New("failed")

// Main runs one command and gives its exit code. It returns when the command has
// ended and everything that it started has stopped; ctx ending asks it to.
func Main(ctx context.Context, env Env) int {
	var c commands
	exit := -1
	parser, err := kong.New(&c,
		kong.Name("turnout"),
		kong.Description("An LLM gateway: many upstream accounts behind one endpoint and one key."),
		kong.Writers(env.Stdout, env.Stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		_, _ = fmt.Fprintln(env.Stderr, "turnout:", err)
		return ExitMisused
	}
	parsed, err := parser.Parse(env.Args)
	if exit >= 0 { // --help has printed
		return exit
	}
	if err != nil {
		_, _ = fmt.Fprintf(env.Stderr, "turnout: %v\nturnout --help lists the commands.\n", err)
		return ExitMisused
	}
	switch err := parsed.Run(&session{env, ctx}); {
	case err == nil:
		return ExitOK
	case errors.Is(err, errFailed):
		return ExitFailed
	default:
		var e *domain.Error
		if errors.As(err, &e) && e.Message != "" {
			err = errors.New(e.Message)
		}
		_, _ = fmt.Fprintln(env.Stderr, "turnout:", err)
		var problems config.Problems
		if errors.As(err, &problems) {
			return ExitMisused
		}
		return ExitFailed
	}
}

type versionCommand struct{}

// Run prints the version that the build carries.
func (versionCommand) Run(s *session) error {
	_, err := fmt.Fprintln(s.Stdout, "turnout", Version())
	return err
}

// Version is the module's version, or the commit that it was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			v += " " + s.Value[:12]
		}
	}
	return v + " " + info.GoVersion
}

type failoverCommand struct {
	Check struct {
		File string `arg:"" help:"Scenarios in the format of docs/failover.md." type:"path"`
	} `cmd:"" help:"Run a file of scenarios through the failover core's classic profile, and print each step that differs."`
}

// Run checks the core against a file of scenarios.
func (c failoverCommand) Run(s *session) error {
	ok, err := FailoverCheck(s.Stdout, c.Check.File, platform.ClassicPolicy)
	if err == nil && !ok {
		err = errFailed
	}
	return err
}

type simCommand struct {
	Listen  string   `help:"Address to listen on; by default a free port of 127.0.0.1." placeholder:"HOST:PORT"`
	TLS     bool     `help:"Serve HTTPS and HTTP/2 with a certificate made at the start."`
	Speed   float64  `help:"Divide every simulated delay by this." default:"1"`
	Models  []string `help:"Models that GET /v1/models lists."`
	Words   string   `help:"Behaviour of every key and model, as dash-separated words." placeholder:"WORDS"`
	Verbose bool     `short:"v" help:"Print a line for every request."`
	Journal string   `help:"Tell of every request that ended, as JSON, at this address (port 0: a free one)." placeholder:"HOST:PORT"`
}

// Run serves a simulated provider until it is told to stop.
func (c simCommand) Run(s *session) error {
	return Sim(s.ctx, s.Stdout, SimOptions(c))
}
