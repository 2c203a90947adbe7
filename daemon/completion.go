package daemon

import (
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// The scripts ask the program itself what may come next, see completeCommand, so
// that they never fall behind it.
var (
	//go:embed completion/bash
	bashCompletion string
	//go:embed completion/zsh
	zshCompletion string
	//go:embed completion/fish
	fishCompletion string
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help implements kong's HelpProvider.
func (*completionCommand) Help() string {
	return "The packages install it. Otherwise: source <(ingestd completion bash), in ~/.bashrc; " +
		"the same with zsh, in ~/.zshrc after compinit; ingestd completion fish > ~/.config/fish/completions/ingestd.fish."
}

func (c *completionCommand) Run(a *app) error {
	script := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[c.Shell]
	_, err := io.WriteString(a.stdout, script)
	return err
}

// completeCommand prints what the last of the words may become, one a line, each
// with its explanation behind a tab. The line ":files" stands for names of files.
type completeCommand struct {
	Words []string `arg:"" optional:"" passthrough:"" help:"The words after the program's name, the last one as far as it is typed."`
}

func (c *completeCommand) Run(a *app, parsed *kong.Context) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	for _, s := range complete(parsed.Model.Node, words) {
		fmt.Fprintln(a.stdout, s)
	}
	return nil
}

// files stands for names of files among what may come next.
const files = ":files"

// complete tells what the last of words may become.
func complete(root *kong.Node, words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	node, last := root, words[len(words)-1]
	var open *kong.Flag // the value of this one comes next
	args, noFlags := 0, false
	for _, word := range words[:len(words)-1] {
		switch {
		case word == "=": // bash takes --flag=value for three words
		case open != nil:
			open = nil
		case word == "--":
			noFlags = true
		case !noFlags && len(word) > 1 && word[0] == '-':
			if f := flagOf(node, word); f != nil && !f.IsBool() && !strings.Contains(word, "=") {
				open = f
			}
		default:
			if child := childOf(node, word); child != nil && args == 0 {
				node = child
			} else {
				args++
			}
		}
	}
	if open != nil {
		return matching(valuesOf(open.Value), strings.TrimPrefix(last, "="), "")
	}
	if name, value, ok := strings.Cut(last, "="); ok && !noFlags && strings.HasPrefix(last, "--") {
		if f := flagOf(node, name); f != nil {
			return matching(valuesOf(f.Value), value, name+"=")
		}
		return nil
	}
	if !noFlags && strings.HasPrefix(last, "-") {
		return matching(flagsOf(node), last, "")
	}
	var next []string
	if args == 0 {
		for _, child := range node.Children {
			if !child.Hidden {
				next = append(next, child.Name+"\t"+sentence(child.Help))
			}
		}
	}
	if n := len(node.Positional); n > 0 && (args < n || node.Positional[n-1].IsCumulative()) {
		next = append(next, valuesOf(node.Positional[min(args, n-1)])...)
	}
	return matching(next, last, "")
}

// matching gives those of all that begin with typed, behind prefix.
func matching(all []string, typed, prefix string) (some []string) {
	for _, s := range all {
		switch {
		case s == files:
			some = append(some, s)
		case strings.HasPrefix(s, typed):
			some = append(some, prefix+s)
		}
	}
	return some
}

func childOf(n *kong.Node, name string) *kong.Node {
	for _, child := range n.Children {
		if child.Name == name || slices.Contains(child.Aliases, name) {
			return child
		}
	}
	return nil
}

// every calls f with each flag that may stand behind n: its own, its parents', and
// those of the command that is meant where none is named.
func every(n *kong.Node, f func(*kong.Flag)) {
	groups := n.AllFlags(true)
	if n.DefaultCmd != nil {
		groups = n.DefaultCmd.AllFlags(true)
	}
	for _, group := range groups {
		for _, flag := range group {
			f(flag)
		}
	}
}

func flagOf(n *kong.Node, word string) (found *kong.Flag) {
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	every(n, func(f *kong.Flag) {
		if strings.HasPrefix(word, "--") && f.Name == name || !strings.HasPrefix(word, "--") && f.Short != 0 && string(f.Short) == name {
			found = f
		}
	})
	return found
}

func flagsOf(n *kong.Node) (all []string) {
	every(n, func(f *kong.Flag) { all = append(all, "--"+f.Name+"\t"+sentence(f.Help)) })
	return all
}

// valuesOf tells what a value may be.
func valuesOf(v *kong.Value) (all []string) {
	if v.Enum != "" {
		for _, s := range v.EnumSlice() {
			if s != "" {
				all = append(all, s)
			}
		}
		return all
	}
	place := strings.ToUpper(v.Name)
	if v.Flag != nil {
		place = v.Flag.PlaceHolder
	}
	if strings.HasPrefix(place, "FILE") || place == "DIR" {
		return []string{files}
	}
	return nil
}

// sentence is the first one of a help text, on one line.
func sentence(help string) string {
	help = strings.Join(strings.Fields(help), " ")
	if i := strings.Index(help, ". "); i >= 0 {
		help = help[:i]
	}
	return strings.TrimSuffix(help, ".")
}
