package hclx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// setFile is the file name in the ranges of values that --set gave. Their line is
// the number of the --set.
const setFile = "--set"

// Source is a configuration while it is decoded.
type Source struct {
	name string
	src  []byte
	body *hclsyntax.Body // the top level, without what Take took
	took []string        // the types of blocks that it took
	sets []*set

	parsed bool               // src has no syntax error
	plain  map[hcl.Range]bool // expressions that may be shown
	masked []span             // what hidden gave
	words  Vocabulary         // what may be shown where src has a syntax error
	diags  hcl.Diagnostics
	eval   *hcl.EvalContext
}

// set is one --set PATH=VALUE.
type set struct {
	path, value string
	rng         hcl.Range
	plain       bool // the value may be shown
	used        bool
	bare        bool // there is no value, which was reported
}

// Parse reads the file's text and the values of --set. A syntax error is a
// mistake like any other; what depends on the file is not decoded then.
func Parse(name string, src []byte, sets []string, words Vocabulary) *Source {
	s := &Source{
		name: name, src: src, words: words,
		plain: map[hcl.Range]bool{},
		eval:  evalContext(),
	}
	file, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	s.diags = append(s.diags, withoutEchoes(diags)...)
	s.parsed = !diags.HasErrors()
	if s.body, _ = file.Body.(*hclsyntax.Body); s.body == nil {
		s.body = &hclsyntax.Body{}
	}
	for i, text := range sets {
		s.parseSet(i, text)
	}
	return s
}

func (s *Source) parseSet(i int, text string) {
	pos := hcl.Pos{Line: i + 1, Column: 1}
	v := &set{rng: hcl.Range{Filename: setFile, Start: pos, End: pos}}
	var ok bool
	v.path, v.value, ok = strings.Cut(text, "=")
	v.path = strings.TrimSpace(v.path)
	s.sets = append(s.sets, v)
	if !ok || v.path == "" {
		v.used, v.bare = true, !ok
		s.fail(v.rng, "A path and a value are needed", "Write --set router.batch_size=50.")
	}
}

// withoutEchoes keeps the first syntax error of each line, and none that follows
// a string without an end, which makes everything after it look wrong.
func withoutEchoes(diags hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	lines := map[int]bool{}
	for _, d := range diags {
		if !lines[d.Subject.Start.Line] {
			lines[d.Subject.Start.Line] = true
			out = append(out, d)
		}
		if d.Summary == "Invalid multi-line string" {
			break
		}
	}
	return out
}

// Parsed tells whether the file has no syntax error.
func (s *Source) Parsed() bool { return s.parsed }

// Take removes the blocks of the given types from the file's top level and
// returns them in order.
func (s *Source) Take(types ...string) []*hclsyntax.Block {
	var taken, rest hclsyntax.Blocks
	for _, b := range s.body.Blocks {
		if slices.Contains(types, b.Type) {
			taken = append(taken, b)
		} else {
			rest = append(rest, b)
		}
	}
	body := *s.body
	body.Blocks = rest
	s.took = append(s.took, types...)
	s.body = &body
	return taken
}

// Body is the file's top level, without what Take took.
func (s *Source) Body() *hclsyntax.Body { return s.body }

// TakeSet returns the value of the last --set of exactly this path.
func (s *Source) TakeSet(path string) (value string, at hcl.Range, ok bool) {
	if v := s.takeSet(path, true); v != nil {
		return v.value, v.rng, true
	}
	return "", hcl.Range{}, false
}

func (s *Source) takeSet(path string, plain bool) *set {
	var last *set
	for _, v := range s.sets {
		if v.path == path && !v.bare {
			v.used, v.plain, last = true, plain, v
		}
	}
	return last
}

// SetsUnder returns the paths of the values of --set that nothing has taken yet
// and that begin with prefix and a dot, each with its place.
func (s *Source) SetsUnder(prefix string) (paths []string, at []hcl.Range) {
	for _, v := range s.sets {
		if !v.used && strings.HasPrefix(v.path, prefix+".") {
			paths, at = append(paths, v.path), append(at, v.rng)
		}
	}
	return paths, at
}

// DropSets says that the values of --set under prefix are of no use, and that
// this was reported.
func (s *Source) DropSets(prefix string) {
	for _, v := range s.sets {
		if strings.HasPrefix(v.path, prefix+".") {
			v.used = true
		}
	}
}

// Finish reports every --set whose path nothing has taken, and adds to what was
// said of a setting at the file's top level that is not one where it belongs.
// Names are the paths that there are.
func (s *Source) Finish(names []string) {
	for _, d := range s.diags {
		for name, a := range s.body.Attributes {
			if d.Summary == "Unsupported argument" && d.Subject != nil && *d.Subject == a.NameRange &&
				!strings.Contains(d.Detail, "Did you mean") {
				d.Detail += " " + didYouMean(name, names)
			}
		}
	}
	for _, v := range s.sets {
		if !v.used && slices.Contains(names, v.path) {
			s.fail(v.rng, fmt.Sprintf("There is no block for the setting %q", v.path), "Add the block to the file; it may be empty.")
		} else if !v.used {
			s.fail(v.rng, fmt.Sprintf("There is no setting %q", v.path), didYouMean(v.path, names))
		}
	}
}

// Fail adds a mistake at a place.
func (s *Source) Fail(at hcl.Range, summary, detail string) { s.fail(at, summary, detail) }

func (s *Source) fail(at hcl.Range, summary, detail string) {
	s.diags = append(s.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  summary,
		Detail:   detail,
		Subject:  &at,
	})
}
