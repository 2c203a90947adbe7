package hclx

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
)

// Mistakes is every mistake of a configuration, as an error to be shown to a
// person. No secret is in it.
type Mistakes struct {
	Count int
	text  string
}

// Error tells all mistakes, each with its place, the source line, and what to do.
func (m *Mistakes) Error() string { return m.text }

// Mistakes returns the mistakes found so far, nil where there are none. Those of
// the file come first, in its order, then those of the environment and of --set.
func (s *Source) Mistakes() *Mistakes {
	diags := s.distinct()
	if len(diags) == 0 {
		return nil
	}
	sort.SliceStable(diags, func(i, j int) bool {
		a, b := diags[i].Subject, diags[j].Subject
		if a.Filename != b.Filename {
			return fileOrder(a.Filename) < fileOrder(b.Filename)
		}
		if a.Start.Line != b.Start.Line {
			return a.Start.Line < b.Start.Line
		}
		return a.Start.Column < b.Start.Column
	})
	var out strings.Builder
	for i, d := range diags {
		if i > 0 {
			out.WriteByte('\n')
		}
		s.render(&out, d)
	}
	return &Mistakes{len(diags), out.String()}
}

// distinct leaves out what was said of the same place in the same words. The maps
// that HCL keeps make it find things in any order.
func (s *Source) distinct() hcl.Diagnostics {
	var out hcl.Diagnostics
	seen := map[string]bool{}
	for _, d := range s.diags {
		if d.Subject == nil {
			d.Subject = &hcl.Range{Filename: s.name}
		}
		key := d.Subject.String() + d.Summary + d.Detail
		if !seen[key] {
			seen[key] = true
			out = append(out, d)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Summary+out[i].Detail < out[j].Summary+out[j].Detail })
	return out
}

// oneLine is what those need to know who write a block as they would in other
// languages.
const oneLine = "\nA block with more than one setting, or with another block in it, takes a line for each brace and setting."

// advice is what to do about mistakes in the syntax. What the library says of them is
// not shown where it may quote a secret.
var advice = map[string]string{
	"Argument definition required":             oneLine,
	"Invalid block definition":                 oneLine,
	"Invalid single-argument block definition": oneLine,
	"Missing newline after argument":           oneLine,
	"Missing newline after block definition":   oneLine,
}

func (s *Source) render(out *strings.Builder, d *hcl.Diagnostic) {
	at, detail := *d.Subject, d.Detail
	switch {
	case isGiven(at):
		fmt.Fprintf(out, "%s: %s\n", s.given[at.Start.Line-1].shown(), d.Summary)
	case at.Start.Line == 0:
		fmt.Fprintf(out, "%s: %s\n", at.Filename, d.Summary)
	default:
		fmt.Fprintf(out, "%s:%d:%d: %s\n", at.Filename, at.Start.Line, at.Start.Column, d.Summary)
		whole := s.snippet(out, at)
		if !whole && !s.parsed {
			detail = "The line is not shown in full, since it may hold a secret." + advice[d.Summary]
		}
	}
	if detail != "" {
		if !isGiven(at) && at.Start.Line > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(out, "  %s\n", strings.ReplaceAll(strings.TrimSpace(detail), "\n", "\n  "))
	}
}

// isGiven tells whether a mistake at this place is of the environment or of --set.
func isGiven(at hcl.Range) bool {
	return fileOrder(at.Filename) > 0 && at.Start.Line > 0
}

// fileOrder is the order in which mistakes are told.
func fileOrder(name string) int { return slices.Index([]string{envFile, setFile}, name) + 1 }

// shown is what g is, without what may be a secret.
func (g *given) shown() string {
	name := g.String()
	if g.variable == "" {
		name += " " + strings.Map(printable, g.path)
	}
	switch {
	case g.bare:
		return name
	case g.plain || g.value == "":
		return name + "=" + strings.Map(printable, g.value)
	}
	return name + "=" + mask
}

// printable gives r, or something else where a terminal would obey it.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return '?'
	}
	return r
}

// place is where in the file something stands.
func place(at hcl.Range) string { return fmt.Sprintf("%s:%d", at.Filename, at.Start.Line) }

// snippet writes the line where a mistake begins, with a caret under it, and
// tells whether nothing of the line is masked.
func (s *Source) snippet(out *strings.Builder, at hcl.Range) (whole bool) {
	lines := bytes.Split(s.src, []byte("\n"))
	if at.Start.Line > len(lines) {
		return true
	}
	offset := 0
	for _, l := range lines[:at.Start.Line-1] {
		offset += len(l) + 1
	}
	line := strings.TrimRight(string(lines[at.Start.Line-1]), "\r")
	shown, start, end, whole := s.show(line, offset, at.Start.Byte-offset, at.End.Byte-offset)
	number := fmt.Sprintf("%4d", at.Start.Line)
	fmt.Fprintf(out, "\n%s | %s\n", number, shown)
	fmt.Fprintf(out, "%s | %s%s\n", strings.Repeat(" ", len(number)), blanks(shown[:start]),
		strings.Repeat("^", max(1, len([]rune(shown[start:end])))))
	return whole
}

// blanks gives white space as wide as s.
func blanks(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, s)
}
