package daemon

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
)

const (
	optionsBegin = "<!-- options: made by go test ./daemon -run TestOptions -update -->\n"
	optionsEnd   = "<!-- options end -->\n"
)

// The table of every option in docs/operations.md is what the program has; what they
// mean is what docs/configuration.md says of them.
func TestOptionsAreDocumented(t *testing.T) {
	const file = "../docs/operations.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), optionsBegin)
	shown, after, ends := strings.Cut(rest, optionsEnd)
	if !begins || !ends {
		t.Fatalf("%s has no place for the options", file)
	}
	want := optionTables(t, testPlugins(t))
	switch {
	case *update:
		if err := os.WriteFile(file, []byte(before+optionsBegin+want+optionsEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case shown != want:
		t.Errorf("%s is not what the program has; go test ./daemon -run TestOptions -update writes\n%s", file, want)
	}
}

// optionTables writes a table for the core, each transport and each sink.
func optionTables(t *testing.T, p *plugins) string {
	t.Helper()
	meanings := meaningsOf(t)
	var out strings.Builder
	table := func(title string, settings []hclx.Setting, changes bool) {
		fmt.Fprintf(&out, "\n### %s\n\n| option | type | default | change | variable | meaning |\n| --- | --- | --- | --- | --- | --- |\n", title)
		for _, s := range settings {
			change := "restart"
			if s.Live && changes {
				change = "live"
			}
			meaning := meanings[s.Path]
			if meaning == "" {
				t.Errorf("docs/configuration.md does not say what %s means", s.Path)
			}
			fmt.Fprintf(&out, "| `%s` | %s | `%s` | %s | `%s` | %s |\n",
				s.Path, s.Type, s.Default, change, hclx.EnvName(s.Path), meaning)
		}
	}
	table("Core", hclx.Settings("", defaultCore()), true)
	for _, k := range p.transports {
		table(fmt.Sprintf("Transport %q", k.name), hclx.Settings(transportPath(k.name, ""), k.defaults()), k.update != nil)
	}
	for _, k := range p.sinks {
		table(fmt.Sprintf("Sink %q", k.name), hclx.Settings("sink."+k.name, k.defaults()), false)
	}
	return out.String() + "\n"
}

var meaningRow = regexp.MustCompile("(?m)^\\| `([A-Za-z0-9_.]+)` \\| .*? \\| .*? \\| (.*) \\|$")

// meaningsOf gives the first sentence of what docs/configuration.md says of each
// setting.
func meaningsOf(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	meanings := map[string]string{}
	for _, row := range meaningRow.FindAllStringSubmatch(string(text), -1) {
		sentence, _, _ := strings.Cut(row[2], ". ")
		sentence = strings.TrimRight(sentence, ".,")
		names := []string{row[1]}
		if strings.Contains(row[1], ".KIND.") {
			names = []string{
				strings.Replace(row[1], "KIND", "websocket", 1), strings.Replace(row[1], "KIND", "http", 1),
				strings.Replace(row[1], "KIND", "websocket_client", 1),
			}
		}
		if end, ok := strings.CutPrefix(row[1], "END."); ok {
			names = []string{"sink." + end, "transport." + end}
		}
		if strings.Contains(row[1], ".SERVER.") {
			names = []string{strings.Replace(row[1], "SERVER", "websocket", 1), strings.Replace(row[1], "SERVER", "http", 1)}
		}
		for _, name := range names {
			meanings[name] = sentence
		}
	}
	for name, meaning := range meanings { // what both servers have is said of the one
		if same, ok := strings.CutPrefix(name, "transport.websocket."); ok && meanings["transport.http."+same] == "" {
			meanings["transport.http."+same] = meaning
		}
	}
	return meanings
}
