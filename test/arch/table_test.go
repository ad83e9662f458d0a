package arch

// floor orders packages. A package imports its own floor or lower ones.
type floor int

const (
	domain   floor = iota // nouns and units
	rules                 // no I/O, no clock, no log
	services              // stores through interfaces that they declare, time as an argument
	world                 // wires, files, databases
	flows                 // a request's life, an administrator's, a background loop's
	edge                  // listeners, wiring, commands
	command               // main packages
	outside               // tests of the whole, benchmarks
)

// row is what one package may import of this module. Tests may import more: what they
// need to be real.
type row struct {
	floor   floor
	imports []string // below internal/; "*": everything on a lower floor or its own
	reason  string   // for a line that one would not expect
}

// table has one row for each package, by its path in the module without "internal/".
var table = map[string]row{
	"domain": {domain, nil, ""},

	"failover":             {rules, []string{"domain"}, ""},
	"failover/conformance": {rules, []string{"domain", "failover"}, "the format of the scenario files, apart from the core so that the core stays free of JSON"},
	"sched":                {rules, []string{"domain"}, ""},
	"sched/rest":           {rules, []string{"failover", "sched"}, "what the one core decides, on the other's cells; neither knows the other"},
	"limit":                {rules, nil, "whose limits they are is a kind and a name"},
	"price":                {rules, []string{"domain"}, ""},
	"simulate":             {rules, []string{"domain", "failover", "sched", "sched/rest"}, "both cores on a virtual clock"},
	"dialect":              {rules, []string{"domain"}, ""},
	"dialect/neutral":      {rules, []string{"dialect", "domain"}, ""},
	"dialect/anthropic":    {rules, []string{"dialect", "dialect/neutral", "domain"}, "no dialect knows another one"},
	"dialect/openai":       {rules, []string{"dialect", "dialect/neutral", "domain"}, "no dialect knows another one"},
	"dialect/responses":    {rules, []string{"dialect", "dialect/neutral", "domain"}, "no dialect knows another one"},
	"dialect/gemini":       {rules, []string{"dialect", "dialect/neutral", "domain"}, "no dialect knows another one"},
	"platform":             {rules, []string{"dialect", "dialect/anthropic", "dialect/gemini", "dialect/openai", "dialect/responses", "domain", "failover"}, ""},

	"caller": {services, []string{"domain"}, ""},
	"ledger": {services, []string{"domain"}, "what a model costs, the store and the journal come through interfaces that it declares"},

	"upstream":        {world, []string{"domain", "platform"}, ""},
	"credential":      {world, []string{"domain", "platform"}, ""},
	"journal":         {world, []string{"domain"}, ""},
	"store":           {world, []string{"domain"}, ""},
	"store/storetest": {world, []string{"domain", "store"}, "the behaviour that every database must show"},
	"coord":           {world, []string{"domain"}, ""},
	"obs":             {world, []string{"domain"}, "metrics count what domain names"},
	"config":          {world, []string{"domain"}, "a configuration is made of accounts, pools and keys"},

	"gateway": {flows, []string{"caller", "dialect", "dialect/neutral", "domain", "failover", "ledger", "limit", "platform", "sched", "sched/rest", "upstream"},
		"no store and no coord: it declares the few methods that it needs"},
	"admin": {flows, []string{"caller", "domain", "failover", "platform", "sched"}, ""},
	"jobs":  {flows, []string{"domain"}, ""},
	"sim": {flows, nil,
		"nothing: a simulated provider that shares code with Turnout would share its mistakes"},

	"server/socket": {edge, []string{"dialect"}, "every turn goes through a handler that is handed in"},
	"server":        {edge, []string{"admin", "dialect", "domain", "gateway", "obs", "server/socket"}, "the dialects that it routes to are handed in by app"},
	"app":           {edge, []string{"*"}, "it builds everything"},
	"drill": {edge, []string{"config", "domain", "sim"},
		"no app, no gateway and no dialect: a gateway is handed in, and a drill that shared the gateway's readers would share its mistakes"},
	"drill/memnet": {world, nil, "a network in memory, for drills with virtual clocks"},
	"cli": {edge, []string{"admin", "app", "config", "domain", "drill", "failover", "failover/conformance", "gateway", "obs", "platform", "price", "sched", "sim", "simulate", "store"},
		"requests list and show read the store while the gateway runs, or when it does not"},

	"cmd/turnout": {command, []string{"cli"}, ""},

	"bench/internal/load": {outside, []string{"bench/internal/proc"}, ""},
	"bench/internal/proc": {outside, nil, ""},
	"bench/cmd/compare":   {outside, []string{"bench/internal/load"}, ""},
	"bench/cmd/floor":     {outside, nil, ""},
	"bench/cmd/mock":      {outside, nil, ""},
	"bench/cmd/profiled":  {outside, []string{"cli"}, "turnout itself, with a profiler beside it"},
	"test/arch":           {outside, nil, ""},
	"test/e2e":            {outside, nil, ""},
	"price/generate":      {outside, []string{"price"}, "a developer's tool: it writes the catalogue that price embeds"},
	"test/prices/compare": {outside, []string{"price"}, "it prices what price does by other means"},
	"test/sdk/rig":        {outside, nil, "it starts the real binary; the SDKs are in a module of their own"},

	"dialect/neutral/neutraltest": {outside, []string{"dialect", "dialect/neutral", "domain"}, "what the tests of all dialects share"},
}

// sharp are the rules that hold through everything that a package imports, not only
// for what it names itself, each with its reason.
var sharp = []struct {
	packages []string
	never    []string
	reason   string
}{
	{[]string{"gateway", "server", "caller", "dialect", "platform", "sched", "failover", "upstream"}, []string{"store", "coord"},
		"a request must not wait for a database: what it needs is declared by its consumer and passed in by app"},
	{[]string{"gateway", "server", "admin", "jobs", "sim", "upstream", "store", "coord", "credential", "obs", "config", "caller"}, []string{"app", "cli"},
		"app knows everything, so nobody may know app"},
	{[]string{"store", "coord", "obs", "config", "credential", "upstream"}, []string{"gateway", "admin", "jobs", "server"},
		"the world serves the flows and does not know them"},
	{[]string{"sim"}, []string{"gateway", "app", "store", "platform", "dialect", "failover"},
		"a simulated provider that shares code with Turnout would share its mistakes"},
	{[]string{"drill", "drill/memnet"}, []string{"gateway", "app", "cli", "store", "platform", "dialect", "failover", "upstream"},
		"a drill that shares code with the gateway would share its mistakes"},
}

// impure is what the packages on the floors domain and rules must not use: no I/O, no log; time and
// chance come as arguments, so that every decision can be replayed.
var impure = struct{ imports, calls []string }{
	[]string{"database/sql", "io/fs", "log", "log/slog", "net", "os", "os/exec", "os/signal", "path/filepath"},
	[]string{"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.AfterFunc", "time.NewTimer", "time.NewTicker", "time.Tick",
		"rand.Int", "rand.IntN", "rand.Int64", "rand.Int64N", "rand.Uint64", "rand.Float64", "rand.N", "rand.Perm", "rand.Shuffle"},
}

// pureExceptions are what the floors below use in spite of that.
var pureExceptions = map[string]string{
	"domain log/slog": "Secret hides itself from the logger",
}

// platformNames may stand in string literals only where platforms are described. Names
// that mean something else too are left out: anthropic and openai are also wire protocols.
var platformNames = []string{"antigravity", "windsurf", "bedrock", "openrouter"}

// platformHomes are the packages in which a platform's name may stand.
var platformHomes = []string{"platform", "sim", "credential"}

// vague are names of packages that say nothing of what they own.
var vague = []string{"util", "utils", "common", "service", "services", "manager", "types", "helper", "helpers", "misc", "shared", "model", "models", "base", "core"}

const (
	// mostLines is where a file stops being about one noun.
	mostLines = 600
	module    = "turnout"
)

// exemptFromLength are tables, which are as long as what they list.
var exemptFromLength = map[string]string{}
