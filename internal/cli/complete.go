package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"turnout/internal/domain"
	"turnout/internal/store"
)

// A shell asks this binary what may follow, by the hidden command __complete: so commands and flags are never out of date in a script, and
// names of keys, accounts and pools can be among them.

type completionCommand struct {
	Shell string `arg:"" help:"bash, zsh or fish." enum:"bash,zsh,fish"`
}

var completionScripts = map[string]string{
	// Bash splits words at ":" and "=" too, and replaces only what follows; so words are read from the line, and what comes before is taken off.
	"bash": `# Completion of turnout in bash: source <(turnout completion bash)
_turnout() {
    local line=${COMP_LINE:0:COMP_POINT} words cur prefix= break reply
    read -ra words <<<"$line"
    if [[ $line == *[[:space:]] ]]; then words+=(""); fi
    cur=${words[${#words[@]}-1]}
    for break in : =; do
        if [[ $COMP_WORDBREAKS == *$break* && $cur == *$break* ]]; then
            reply=${cur%"${cur##*$break}"}
            if (( ${#reply} > ${#prefix} )); then prefix=$reply; fi
        fi
    done
    COMPREPLY=()
    while IFS= read -r reply; do
        COMPREPLY+=("${reply#"$prefix"}")
    done < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
}
complete -o default -F _turnout turnout
`,
	"zsh": `#compdef turnout
# Completion of turnout in zsh: source <(turnout completion zsh), or a file named _turnout in fpath
_turnout() {
    local -a replies
    replies=("${(@f)$(${words[1]} __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "$replies" ]]; then
        compadd -Q -- "${replies[@]}"
    else
        _files
    fi
}
compdef _turnout turnout
`,
	"fish": `# Completion of turnout in fish: turnout completion fish | source
function __turnout_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete -- $words[2..-1] 2>/dev/null
end
complete -c turnout -f -a '(__turnout_complete)'
complete -c turnout -s c -l config -r -F
`,
}

// Run prints a script.
func (c completionCommand) Run(s *session) error {
	_, err := io.WriteString(s.Stdout, completionScripts[c.Shell])
	return err
}

type completeCommand struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

// Run prints what may stand in place of the last word, one a line.
func (c completeCommand) Run(s *session, k *kong.Context) error {
	args := c.Words
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	for _, word := range completions(k.Model.Node, args, func(kind, config, dir string) []string { return storedNames(s, kind, config, dir) }) {
		if _, err := fmt.Fprintln(s.Stdout, word); err != nil {
			return err
		}
	}
	return nil
}

// named arguments and flags, by what they name.
var (
	namedFlags = map[string]string{"key": "keys", "account": "accounts", "to": "accounts", "pools": "pools", "pool": "pools", "owner": "owners", "team": "teams"}
	namedArgs  = map[string]string{
		"keys edit": "keys", "keys rotate": "keys", "keys revoke": "keys", "keys enable": "keys",
		"accounts edit": "accounts", "pools edit": "pools", "accounts test": "accounts", "accounts pause": "accounts", "accounts drain": "accounts", "accounts resume": "accounts", "accounts rest": "accounts",
		"teams edit": "teams", "users edit": "users", "teams disable": "teams", "teams enable": "teams", "users disable": "users", "users enable": "users",
	}
)

// completions are what may stand in place of the last of args. names gives names of a kind, of the configuration and data directory that the
// words before name.
func completions(node *kong.Node, args []string, names func(kind, config, dir string) []string) []string {
	if len(args) == 0 {
		args = []string{""}
	}
	before, last := args[:len(args)-1], args[len(args)-1]
	var path []string
	var waiting *kong.Flag // whose value comes next
	flags := slices.Clone(node.Flags)
	given := map[string]string{}
	positionals := 0
	for _, word := range before {
		switch {
		case waiting != nil:
			given[waiting.Name], waiting = word, nil
		case strings.HasPrefix(word, "-") && len(word) > 1:
			name, value, has := strings.Cut(word, "=")
			if f := flagOf(flags, name); f != nil && !f.IsBool() && !has {
				waiting = f
			} else if f != nil {
				given[f.Name] = value
			}
		default:
			if child := childOf(node, word); child != nil {
				node, path = child, append(path, word)
				flags = append(flags, child.Flags...)
			} else {
				positionals++
			}
		}
	}
	of := func(kind string) []string { return names(kind, given["config"], given["data-dir"]) }
	values := func(f *kong.Flag) []string {
		if kind := namedFlags[f.Name]; kind != "" {
			return of(kind)
		}
		if f.Enum != "" {
			return strings.Split(f.Enum, ",")
		}
		return nil
	}
	if waiting != nil {
		return matching(values(waiting), last, "")
	}
	if name, value, has := strings.Cut(last, "="); has && strings.HasPrefix(name, "-") {
		if f := flagOf(flags, name); f != nil {
			return matching(values(f), value, name+"=")
		}
		return nil
	}
	var out []string
	if strings.HasPrefix(last, "-") {
		for _, f := range flags {
			if !f.Hidden {
				out = append(out, "--"+f.Name)
			}
		}
		return matching(out, last, "")
	}
	for _, c := range node.Children {
		if !c.Hidden {
			out = append(out, c.Name)
		}
	}
	if kind := namedArgs[strings.Join(path, " ")]; kind != "" && positionals == 0 {
		out = append(out, of(kind)...)
	}
	if len(node.Positional) > positionals && node.Positional[positionals].Enum != "" {
		out = append(out, strings.Split(node.Positional[positionals].Enum, ",")...)
	}
	return matching(out, last, "")
}

func flagOf(flags []*kong.Flag, word string) *kong.Flag {
	for _, f := range flags {
		if word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short) {
			return f
		}
	}
	return nil
}

func childOf(node *kong.Node, word string) *kong.Node {
	for _, c := range node.Children {
		if c.Name == word {
			return c
		}
	}
	return nil
}

// matching are the words that begin with what was typed, each once, after a prefix.
func matching(words []string, typed, prefix string) []string {
	var out []string
	for _, w := range words {
		if strings.HasPrefix(w, typed) {
			out = append(out, prefix+w)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// storedNames reads names from the data directory, which a gateway may be using. Whatever is wrong, there are none: a shell asks.
func storedNames(s *session, kind, config, dir string) (out []string) {
	cfg, _, err := configFlags{Config: config, DataDir: dir}.loadElsewhere(s)
	if err != nil {
		return nil
	}
	st, err := store.Open(s.ctx, store.Options{Dir: cfg.DataDir, ReadOnly: true})
	if err != nil {
		return nil
	}
	defer func() { _ = st.Close() }()
	n, err := st.Names(s.ctx)
	if err != nil {
		return nil
	}
	switch kind {
	case "keys":
		return valuesOf(n.Keys, "")
	case "accounts":
		return valuesOf(n.Accounts, "")
	case "pools":
		return valuesOf(n.Pools, "")
	case "teams":
		return valuesOf(n.Teams, "")
	case "users":
		return valuesOf(n.Users, "")
	case "owners":
		return append(valuesOf(n.Users, "user:"), valuesOf(n.Teams, "team:")...)
	}
	return nil
}

func valuesOf[K domain.KeyID | domain.AccountID | domain.PoolID | domain.TeamID | domain.UserID](m map[K]string, prefix string) (out []string) {
	for _, name := range m {
		out = append(out, prefix+name)
	}
	return out
}
