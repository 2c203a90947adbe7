package hclx

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Input is what a configuration is read from. Later parts go before earlier ones.
type Input struct {
	Name string   // of the file
	Text []byte   // of the file
	Env  []string // NAME=value, each with a name that begins with EnvPrefix
	Sets []string // PATH=VALUE
}

// Source is a configuration while it is decoded.
type Source struct {
	name  string
	src   []byte
	body  *hclsyntax.Body // the top level, without what TakeBlocks took
	took  []string        // the types of blocks that it took
	given []*given        // variables before --set
	index index           // of given

	parsed   bool               // src has no syntax error
	plain    map[hcl.Range]bool // expressions that may be shown
	masked   []span             // what hidden gave
	words    Vocabulary         // what may be shown where src has a syntax error
	diags    hcl.Diagnostics
	unknown  []unknown
	warnings []Warning
	origins  Origins
	eval     *hcl.EvalContext
}

// Parse reads the file's text, the environment and the values of --set. A syntax
// error is a mistake like any other; what depends on the file is not decoded then.
func Parse(in Input, words Vocabulary) *Source {
	s := &Source{
		name: in.Name, src: in.Text, words: words,
		plain:   map[hcl.Range]bool{},
		index:   index{},
		origins: Origins{},
		eval:    evalContext(),
	}
	file, diags := hclsyntax.ParseConfig(in.Text, in.Name, hcl.InitialPos)
	s.diags = append(s.diags, withoutEchoes(diags)...)
	s.parsed = !diags.HasErrors()
	if s.body, _ = file.Body.(*hclsyntax.Body); s.body == nil {
		s.body = &hclsyntax.Body{}
	}
	for _, text := range slices.Sorted(slices.Values(in.Env)) {
		s.parseVariable(text)
	}
	for _, text := range in.Sets {
		s.parseSet(text)
	}
	return s
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

// TakeBlocks removes the blocks of the given types from the file's top level and
// returns them in order.
func (s *Source) TakeBlocks(types ...string) []*hclsyntax.Block {
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

// Body is the file's top level, without what TakeBlocks took.
func (s *Source) Body() *hclsyntax.Body { return s.body }

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
