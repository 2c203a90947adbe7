package hclx

import (
	"bytes"
	"regexp"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// span is a part of a text, in bytes, that is not shown, and what stands there
// instead.
type span struct {
	from, to int
	instead  string
}

// show gives a source line as it may be seen: without comments, and with every
// value masked that is not known to be harmless. Start and end are where a mistake
// lies in the line, and are returned for the line as shown.
func (s *Source) show(line string, offset, start, end int) (shown string, from, to int, whole bool) {
	var hidden []span
	if s.parsed {
		if s.masked == nil {
			s.masked = s.hidden()
		}
		hidden = s.masked
	} else {
		hidden = []span{{offset + s.safeUntil(line), offset + len(line), mask}}
	}
	start, end = clamp(start, len(line)), clamp(end, len(line))
	var out strings.Builder
	from, to, whole = -1, -1, true
	for i := 0; i <= len(line); {
		if h, in := inside(hidden, offset+i); in && i < len(line) {
			if from < 0 && start < h.to-offset {
				from = out.Len()
			}
			out.WriteString(h.instead)
			whole = whole && h.instead == ""
			i = min(h.to-offset, len(line))
			if to < 0 && end <= i {
				to = out.Len()
			}
			continue
		}
		if from < 0 && i >= start {
			from = out.Len()
		}
		if to < 0 && i >= end {
			to = out.Len()
		}
		if i == len(line) {
			break
		}
		r, n := utf8.DecodeRuneInString(line[i:])
		if r == utf8.RuneError || unicode.IsControl(r) && r != '\t' {
			r = '?' // the terminal shall not obey it
		}
		out.WriteRune(r)
		i += n
	}
	shown = strings.TrimRight(out.String(), " \t")
	if from < 0 {
		from = len(shown)
	}
	return shown, min(from, len(shown)), min(max(to, from), len(shown)), whole
}

func clamp(i, n int) int { return max(0, min(i, n)) }

func inside(spans []span, i int) (span, bool) {
	for _, s := range spans {
		if s.from <= i && i < s.to {
			return s, true
		}
	}
	return span{}, false
}

// hidden lists what of a file without syntax errors is masked: every value that
// Decode did not find to be one of a setting that is no secret, and comments.
func (s *Source) hidden() []span {
	var spans []span
	file, _ := hclsyntax.ParseConfig(s.src, s.name, hcl.InitialPos)
	if body, ok := file.Body.(*hclsyntax.Body); ok {
		spans = s.hiddenIn(body, spans)
	}
	tokens, _ := hclsyntax.LexConfig(s.src, s.name, hcl.InitialPos)
	for _, t := range tokens {
		if t.Type == hclsyntax.TokenComment {
			spans = append(spans, span{t.Range.Start.Byte, t.Range.End.Byte, ""})
		}
	}
	sort.Slice(spans, func(i, j int) bool { return spans[i].from < spans[j].from })
	return spans
}

func (s *Source) hiddenIn(body *hclsyntax.Body, spans []span) []span {
	for _, a := range body.Attributes {
		if s.plain[a.Expr.Range()] {
			continue
		}
		rng := a.Expr.Range()
		if call, ok := a.Expr.(*hclsyntax.FunctionCallExpr); ok && namesVariable(call) {
			if len(call.Args) == 1 {
				continue
			}
			rng = hcl.RangeBetween(call.Args[1].Range(), call.Args[len(call.Args)-1].Range())
		}
		spans = append(spans, span{rng.Start.Byte, rng.End.Byte, mask})
	}
	for _, b := range body.Blocks {
		spans = s.hiddenIn(b.Body, spans)
	}
	return spans
}

// namesVariable tells whether call is env("NAME"), whose argument is no secret.
func namesVariable(call *hclsyntax.FunctionCallExpr) bool {
	if call.Name != "env" || len(call.Args) == 0 {
		return false
	}
	v, diags := call.Args[0].Value(nil)
	return !diags.HasErrors() && v.Type().FriendlyName() == "string" && !v.IsNull() && envName.MatchString(v.AsString())
}

var (
	settingLine = regexp.MustCompile(`^\s*([A-Za-z0-9_-]+)[ \t]*=?[ \t]*`)
	headerLine  = regexp.MustCompile(`^\s*([a-z_]+)(\s+"?[A-Za-z0-9_-]*"?){0,2}\s*\{?\s*$`)
	marksLine   = regexp.MustCompile(`^[\s{}\[\](),=]*$`)
	another     = regexp.MustCompile(`[A-Za-z0-9_-]\s*=[^=]|#|//|/\*`)
)

// safeUntil says how much of a line may be shown of a file whose syntax is wrong,
// so that only the line itself tells what it is.
func (s *Source) safeUntil(line string) int {
	switch m := headerLine.FindStringSubmatch(line); {
	case bytes.Contains(s.src, []byte("<<")): // the line may be inside a heredoc
		return 0
	case m != nil && s.words.Blocks[m[1]], marksLine.MatchString(line):
		return len(line)
	}
	m := settingLine.FindStringSubmatchIndex(line)
	switch {
	case m == nil:
		return 0
	case !strings.Contains(line[m[3]:m[1]], "=") && !s.words.Plain[line[m[2]:m[3]]]:
		return 0
	case !s.words.Plain[line[m[2]:m[3]]], another.MatchString(line[m[1]:]):
		return m[1]
	}
	return len(line)
}
