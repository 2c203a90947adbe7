package hclx

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingestd/ingestd/engine"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]engine.Size{
		"0B": 0, "1B": 1, "64KiB": 64 * engine.KiB, "1MiB": engine.MiB, "8589934591GiB": 8589934591 * engine.GiB,
	} {
		if got, ok := parseSize(text); !ok || got != want {
			t.Errorf("%s is %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{
		"", "1", "B", "1MB", "1 MiB", "1.5MiB", "-1B", "+1B", "1mib", "1MiB ", "8589934592GiB", "99999999999999999999B",
	} {
		if got, ok := parseSize(text); ok {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Minute: "1m", time.Hour: "1h", 90 * time.Second: "1m30s", 90 * time.Minute: "1h30m",
		1500 * time.Millisecond: "1.5s", 10 * time.Second: "10s", time.Hour + time.Second: "1h0m1s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%d is written %s, not %s", d, got, want)
		}
		if back, err := time.ParseDuration(Duration(d)); err != nil || back != d {
			t.Errorf("%s is read as %v, %v", Duration(d), back, err)
		}
	}
}

func TestRedact(t *testing.T) {
	for _, c := range []struct{ text, secret, want string }{
		{"cannot read u:pw1@tcp(h)/d", "u:pw1@tcp(h)/d", "cannot read ********"},
		{"denied: pw1", "u:pw1@tcp(h)/d", "denied: ********"},
		{"denied: p@w:1", "u:p@w:1@tcp(h)/d", "denied: ********"},
		{"denied: pw1", "mysql://u:pw1@h/d", "denied: ********"},
		{"denied: u", "u@tcp(h)/d", "denied: u"},
		{"nothing", "", "nothing"},
	} {
		if got := Redact(c.text, c.secret); got != c.want {
			t.Errorf("%q without %q is %q, not %q", c.text, c.secret, got, c.want)
		}
	}
}

// What is written can be read again, whatever is in a string.
func TestWriteAndRead(t *testing.T) {
	type settings struct {
		Text string   `hcl:"text,optional"`
		List []string `hcl:"list,optional"`
	}
	in := settings{
		Text: "a\"b\\c\nd\te\r${f}%{g}$${h} ü \u2028 ' # // /*",
		List: []string{"", "${", "%", "$"},
	}
	var out settings
	s := Parse(Input{Name: "x.hcl", Text: []byte(Write("", in))}, NewVocabulary(&in))
	s.Decode("", s.Body(), hcl.Range{}, &out)
	if m := s.Mistakes(); m != nil {
		t.Fatalf("%s\n%v", Write("", in), m)
	}
	if changed := Changed("", in, out); len(changed) > 0 {
		t.Errorf("%v changed: %q", changed, out)
	}
}

// However a line of a broken file is made, what could be a secret is masked.
func TestSafeLines(t *testing.T) {
	type settings struct {
		Level string        `hcl:"level,optional"`
		DSN   engine.Secret `hcl:"dsn,optional"`
	}
	words := NewVocabulary(&settings{})
	words.Blocks["sink"] = true
	for line, shown := range map[string]string{
		`level = "info`:                    `level = "info`,
		`level "info"`:                     `level "info"`,
		`  level = = 5`:                    `  level = = 5`,
		`sink "mysql" {`:                   `sink "mysql" {`,
		`}`:                                `}`,
		`dsn = "secret`:                    `dsn = `,
		`dsn "secret"`:                     ``,
		`password = secret`:                `password = `,
		`secret`:                           ``,
		`sink "mysql" { dsn = "secret" `:   ``,
		`level = "x" dsn = "secret"`:       `level = `,
		`level = "x" # secret`:             `level = `,
		`level = "x" /* secret */`:         `level = `,
		`{ dsn = "secret"`:                 ``,
		"level = \"a\"\tpassword=\"secret": `level = `,
	} {
		s := Parse(Input{Name: "x.hcl", Text: []byte("= broken")}, words)
		if got := line[:s.safeUntil(line)]; got != shown || strings.Contains(got, "secret") {
			t.Errorf("of %q is shown %q, not %q", line, got, shown)
		}
	}
}

// What is embedded is taken as if it were not, blocks with names have one each, also
// with points in them, and what is written is read again as it was.
func TestBlocks(t *testing.T) {
	type named struct {
		Name   string        `hcl:"name,label"`
		Secret engine.Secret `hcl:"secret,optional"`
		List   []string      `hcl:"list,optional"`
	}
	type inner struct {
		Text  string  `hcl:"text,optional" live:"true"`
		Named []named `hcl:"named,block"`
	}
	type Shared struct {
		Port  int    `hcl:"port,optional" live:"true"`
		Fixed *inner `hcl:"fixed,block"`
		Live  *inner `hcl:"live,block" live:"true"`
	}
	type settings struct {
		Shared
		Own string `hcl:"own,optional"`
	}
	var read settings
	src := "port = 1\nown = \"x\"\nfixed {\n  named \"a.b\" {\n    secret = \"marker\"\n  }\n  named \"a\" {\n    list = [\"1\"]\n  }\n}\n"
	s := Parse(Input{Name: "x.hcl", Text: []byte(src), Sets: []string{"fixed.named.a.b.list=2,3", "fixed.named.c.secret=marker"}}, NewVocabulary(&read))
	b := s.Decode("", s.Body(), hcl.Range{}, &read)
	if m := s.Mistakes(); m != nil {
		t.Fatal(m)
	}
	want := settings{Shared{1, &inner{Named: []named{
		{"a.b", "marker", []string{"2", "3"}}, {"a", "", []string{"1"}}, {"c", "marker", nil},
	}}, nil}, "x"}
	if !reflect.DeepEqual(read, want) {
		t.Errorf("read %+v, %+v", read, read.Fixed)
	}
	if got := Secrets(read); !reflect.DeepEqual(got, []string{"marker", "marker"}) {
		t.Errorf("the secrets are %q", got)
	}
	for _, option := range []string{"fixed.named.a.b.secret", "fixed.named.a.secret", "fixed.named.a.b.list", "fixed.named.c", "fixed.named", "fixed", "live.text", "port"} {
		b.ReportOption(&engine.OptionError{Option: option, Problem: "is wrong, marker or not"})
	}
	text := s.Mistakes().Error()
	for _, place := range []string{
		"x.hcl:5:14: secret: is wrong", "x.hcl:7:3: secret: is wrong", "--set fixed.named.a.b.list=2,3: list: is wrong",
		"--set fixed.named.c.secret=********: c: is wrong", "x.hcl:3:1: named: is wrong", "x.hcl:3:1: fixed: is wrong", "x.hcl: live.text: is wrong", "x.hcl:1:8: port: is wrong",
	} {
		if !strings.Contains(text, place) {
			t.Errorf("%q is not in\n%s", place, text)
		}
	}
	var again settings
	s = Parse(Input{Name: "x.hcl", Text: []byte(strings.ReplaceAll(Write("", read), "********", "marker"))}, NewVocabulary(&again))
	s.Decode("", s.Body(), hcl.Range{}, &again)
	if m := s.Mistakes(); m != nil || !reflect.DeepEqual(again, read) {
		t.Errorf("%v: written and read again %+v of\n%s", m, again, Write("", read))
	}
}

// What can change is taken over, the rest stays; what either points to is not shared.
func TestAdopt(t *testing.T) {
	type block struct {
		Live  int `hcl:"live,optional" live:"true"`
		Fixed int `hcl:"fixed,optional"`
	}
	type settings struct {
		Part    block  `hcl:"part,block"`
		Pointer *block `hcl:"pointer,block"`
		All     *block `hcl:"all,block" live:"true"`
	}
	for name, c := range map[string]struct {
		before, after, want settings
		live, rest          []string
	}{
		"nothing": {},
		"within": {
			settings{block{1, 1}, &block{1, 1}, &block{1, 1}},
			settings{block{2, 2}, &block{2, 2}, &block{2, 2}},
			settings{block{2, 1}, &block{2, 1}, &block{2, 2}},
			[]string{"part.live", "pointer.live", "all.live", "all.fixed"},
			[]string{"part.fixed", "pointer.fixed"},
		},
		"new blocks":  {settings{}, settings{Pointer: &block{}, All: &block{1, 1}}, settings{All: &block{1, 1}}, []string{"all"}, []string{"pointer"}},
		"gone blocks": {settings{Pointer: &block{}, All: &block{}}, settings{}, settings{Pointer: &block{}}, []string{"all"}, []string{"pointer"}},
	} {
		t.Run(name, func(t *testing.T) {
			kept := Write("", c.before)
			got, live, rest := Adopt("", &c.before, &c.after)
			if !reflect.DeepEqual(*got.(*settings), c.want) || !reflect.DeepEqual(live, c.live) || !reflect.DeepEqual(rest, c.rest) {
				t.Errorf("%s\nlive %v, the rest %v", Write("", got), live, rest)
			}
			if Write("", c.before) != kept {
				t.Errorf("what was in effect is changed:\n%s", Write("", c.before))
			}
		})
	}
}

// texts is a list that may be written as one string.
type texts []string

func (t *texts) UnmarshalText(b []byte) error {
	*t = texts{string(b)}
	return nil
}

type secrets []engine.Secret

func (s *secrets) UnmarshalText(b []byte) error {
	*s = secrets{engine.Secret(b)}
	return nil
}

// A list that may be one string is read from either, and a list of secrets is as
// secret as one.
func TestListsOfOne(t *testing.T) {
	type settings struct {
		One, Many, Set texts
		Hidden, Masked secrets
	}
	type tagged struct {
		One    texts   `hcl:"one,optional"`
		Many   texts   `hcl:"many,optional"`
		Set    texts   `hcl:"set,optional"`
		Hidden secrets `hcl:"hidden,optional"`
		Masked secrets `hcl:"masked,optional"`
		Wrong  secrets `hcl:"wrong,optional"`
	}
	var read tagged
	src := "one = \"a,b\"\nmany = [\"a\", \"b\"]\nhidden = \"marker,1\"\nmasked = [\"marker2\", \"\"]\n"
	s := Parse(Input{Name: "x.hcl", Text: []byte(src), Sets: []string{"set=c,d", "hidden=marker,3"}}, NewVocabulary(&read))
	b := s.Decode("", s.Body(), hcl.Range{}, &read)
	if m := s.Mistakes(); m != nil {
		t.Fatal(m)
	}
	want := settings{texts{"a,b"}, texts{"a", "b"}, texts{"c", "d"}, secrets{"marker,3"}, secrets{"marker2", ""}}
	if got := (settings{read.One, read.Many, read.Set, read.Hidden, read.Masked}); !reflect.DeepEqual(got, want) {
		t.Errorf("read %q", got)
	}
	if got := Secrets(read); !reflect.DeepEqual(got, []string{"marker,3", "marker2"}) {
		t.Errorf("the secrets are %q", got)
	}
	written := Write("", read)
	for _, line := range []string{`one    = "a,b"`, `many   = ["a", "b"]`, `hidden = "********"`, `masked = ["********", ""]`} {
		if !strings.Contains(written, line+"\n") || strings.Contains(written, "marker") {
			t.Errorf("%q is not in\n%s", line, written)
		}
	}
	b.ReportOption(&engine.OptionError{Option: "masked", Problem: "marker2 is no good"})
	b.ReportOption(&engine.OptionError{Option: "hidden", Problem: "marker,3 is no good"})
	if text := s.Mistakes().Error(); strings.Contains(text, "marker") || strings.Count(text, "is no good") != 2 {
		t.Error(text)
	}
	s = Parse(Input{Name: "x.hcl", Text: []byte("wrong = [marker]\nmany = \"marker\" {\n")}, NewVocabulary(&read))
	s.Decode("", s.Body(), hcl.Range{}, &read)
	if text := s.Mistakes().Error(); strings.Contains(text, "[marker") {
		t.Error(text)
	}
}
