package hclx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// The file names in the ranges of what the environment and --set gave. Their line
// is the place in Source.given, from 1.
const (
	envFile = "the environment"
	setFile = "--set"
)

// given is one value that does not stand in the file: that of a variable, or of a
// --set.
type given struct {
	variable    string // its name; empty: it is a --set
	path, value string // the path of a variable is folded
	rng         hcl.Range
	plain       bool // the value may be shown
	used        bool
	bare        bool // there is no value, which was reported
}

func (s *Source) give(g *given, file string) {
	pos := hcl.Pos{Line: len(s.given) + 1, Column: 1}
	g.rng = hcl.Range{Filename: file, Start: pos, End: pos}
	s.given = append(s.given, g)
	s.index.add(g)
}

func (s *Source) parseSet(text string) {
	g := &given{}
	var ok bool
	g.path, g.value, ok = strings.Cut(text, "=")
	g.path = strings.TrimSpace(g.path)
	s.give(g, setFile)
	if !ok || g.path == "" {
		g.used, g.bare = true, !ok
		s.fail(g.rng, "A path and a value are needed", "Write --set router.batch_size=50.")
	}
}

// is tells whether g is a value of the setting that path names.
func (g *given) is(path string) bool {
	if g.variable != "" {
		path = fold(path)
	}
	return g.path == path
}

// under gives what comes after prefix and a dot in g's path.
func (g *given) under(prefix string) (rest string, ok bool) {
	if g.variable != "" {
		prefix = fold(prefix)
	}
	return strings.CutPrefix(g.path, prefix+".")
}

// matches tells whether g is a value of a setting as Paths lists them, with NAME
// for any name.
func (g *given) matches(pattern string) bool {
	before, after, named := strings.Cut(pattern, ".NAME.")
	if !named {
		return g.is(pattern)
	}
	rest, ok := g.under(before)
	return ok && len(rest) > len(after)+1 && strings.HasSuffix(rest, "."+after)
}

// name gives the name of a block, of which a variable has only the letters and
// digits.
func (g *given) name(text string) string {
	if g.variable != "" {
		return strings.ReplaceAll(text, "_", "-")
	}
	return text
}

// label is how g would write the name of a block.
func (g *given) label(name string) string {
	if g.variable != "" {
		return fold(name)
	}
	return name
}

// String is what g is of, for a person: "$NAME" or "--set". The name of a variable may
// have anything in it.
func (g *given) String() string {
	if g.variable != "" {
		return "$" + strings.Map(printable, g.variable)
	}
	return setFile
}

// take gives the last value of exactly this path: that of --set before that of the
// environment.
func (s *Source) take(path string, plain bool) *given {
	var last *given
	for g := range s.index.of(path) {
		if !g.bare {
			g.used, g.plain, last = true, plain, g
		}
	}
	return last
}

// settingsUnder gives the values below path that nothing has taken yet and that are
// of one of the settings.
func (s *Source) settingsUnder(path string, settings []string) []*given {
	var found []*given
	for g := range s.index.below(path) {
		if !g.used && slices.ContainsFunc(settings, g.matches) {
			found = append(found, g)
		}
	}
	return found
}

// A Given is a value that --set or the environment has.
type Given struct {
	Path  string // what comes after the prefix that was asked for
	Value string
	At    hcl.Range
	of    *given
}

// String is what gave it: "--set", or "$" and the name of the variable.
func (g Given) String() string { return g.of.String() }

// Variable tells whether it is of the environment.
func (g Given) Variable() bool { return g.of.variable != "" }

// Matches tells whether it is a value of a setting as [Paths] lists them.
func (g Given) Matches(pattern string) bool { return g.of.matches(pattern) }

// Name gives the name that a part of the path means. Names in the file that the
// environment writes in the same way are known; it is the first of those.
func (g Given) Name(part string, known []string) string {
	for _, name := range known {
		if g.of.label(name) == part {
			return name
		}
	}
	return g.of.name(part)
}

// Take returns the value that goes before others of exactly this path.
func (s *Source) Take(path string) (Given, bool) {
	if g := s.take(path, true); g != nil {
		s.origins[path] = g.String()
		return Given{path, g.value, g.rng, g}, true
	}
	return Given{}, false
}

// Under returns the values that nothing has taken yet and whose paths begin with
// prefix and a dot.
func (s *Source) Under(prefix string) []Given {
	var found []Given
	for g := range s.index.below(prefix) {
		if rest, ok := g.under(prefix); ok && !g.used {
			found = append(found, Given{rest, g.value, g.rng, g})
		}
	}
	return found
}

// Move gives a value that Under returned another path.
func (s *Source) Move(g Given, path string) { s.index.move(g.of, fold(path)) }

// Drop says that a value that Under returned is of no use, and that this was
// reported.
func (s *Source) Drop(g Given) { g.of.used = true }

// Finish reports every value of --set whose path nothing has taken, warns of every
// variable, and says where in the file a setting belongs that stands in the wrong
// place. Names are the paths that there are, and variables those that the environment
// can name.
func (s *Source) Finish(names, variables []string) {
	for _, u := range s.unknown {
		u.advise(names)
	}
	for _, g := range s.given {
		switch {
		case g.used:
		case g.variable != "":
			s.warnUnknown(g, variables)
		case slices.ContainsFunc(names, g.matches):
			s.fail(g.rng, fmt.Sprintf("There is no block for the setting %q", g.path), "Add the block to the file; it may be empty.")
		default:
			s.fail(g.rng, fmt.Sprintf("There is no setting %q", g.path), didYouMean(g.path, names))
		}
	}
}
