package hclx

import (
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
	s := Parse("x.hcl", []byte(Write("", in)), nil, NewVocabulary(&in))
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
		s := Parse("x.hcl", []byte("= broken"), nil, words)
		if got := line[:s.safeUntil(line)]; got != shown || strings.Contains(got, "secret") {
			t.Errorf("of %q is shown %q, not %q", line, got, shown)
		}
	}
}
