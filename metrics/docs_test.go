package metrics

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/operations.md anew")

const (
	operations = "../docs/operations.md"
	tableBegin = "<!-- metrics: made by go test ./metrics -update -->\n"
	tableEnd   = "<!-- end of metrics -->\n"
)

// table is that of the documentation.
func table() string {
	var out strings.Builder
	out.WriteString("| name | type | labels | what it is |\n| --- | --- | --- | --- |\n")
	for _, m := range defined {
		labels := ""
		if len(m.labels) > 0 {
			labels = "`" + strings.Join(m.labels, "` `") + "`"
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", m.name, m.kind, labels, m.help)
	}
	return out.String()
}

// The table in the documentation is what the code has.
func TestTable(t *testing.T) {
	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	old, after, ended := strings.Cut(rest, tableEnd)
	if !ok || !ended {
		t.Fatalf("%s has no place for the table", operations)
	}
	if *update {
		if err := os.WriteFile(operations, []byte(before+tableBegin+table()+tableEnd+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != table() {
		t.Errorf("the table is old: go test ./metrics -update\n%s", table())
	}
}

var (
	validName = regexp.MustCompile(`^ingest(_[a-z]+)+$`)
	unit      = regexp.MustCompile(`_(seconds|bytes|messages|info)$`)
)

// Names and helps are as Prometheus has them, and every metric is defined once.
func TestDefinitions(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range defined {
		if !validName.MatchString(m.name) || seen[m.name] || !strings.HasSuffix(m.help, ".") || strings.Contains(m.help, "|") {
			t.Errorf("%+v", *m)
		}
		seen[m.name] = true
		if (m.kind == counter) != strings.HasSuffix(m.name, "_total") || m.kind == histogram && !unit.MatchString(m.name) {
			t.Errorf("%s is a %s", m.name, m.kind)
		}
	}
}
