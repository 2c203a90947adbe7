package daemon

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
)

var update = flag.Bool("update", false, "write the outcomes of the golden configurations anew")

// Each file of testdata/config has a configuration, and after the line "----" what
// comes of it: what differs from the defaults, or the mistakes. Comments before
// the configuration are directives: "# env NAME=value" and "# set path=value". Warnings
// come first.
func TestGoldenConfigurations(t *testing.T) {
	files, err := filepath.Glob("testdata/config/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 40 {
		t.Fatalf("%d golden configurations; there were more than 40", len(files))
	}
	wrong := 0
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(text), "----\n")
			got, ok := outcome(t, input)
			if !ok {
				wrong++
			}
			if *update {
				if err := os.WriteFile(file, []byte(input+"----\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
	if wrong*2 < len(files) {
		t.Errorf("%d of %d golden configurations are wrong ones; it should be half of them", wrong, len(files))
	}
}

// outcome loads one golden configuration.
func outcome(t *testing.T, input string) (text string, ok bool) {
	t.Helper()
	var sets, environ []string
	for line := range strings.Lines(input) {
		if set, is := strings.CutPrefix(line, "# set "); is {
			sets = append(sets, strings.TrimRight(set, "\n"))
		}
		if env, is := strings.CutPrefix(line, "# env "); is {
			name, value, _ := strings.Cut(strings.TrimRight(env, "\n"), "=")
			t.Setenv(name, value)
			environ = append(environ, name+"="+value)
		}
	}
	p, err := newPlugins(nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := p.load(hclx.Input{Name: "config.hcl", Text: []byte(input), Env: settingsAmong(environ), Sets: sets})
	if err != nil {
		return err.Error(), false
	}
	for _, w := range cfg.warnings {
		text += "warning: " + w.String() + "\n"
	}
	return text + difference(t, p, cfg), true
}

// difference gives the lines of a configuration that the default one does not
// have, each with the header of its block.
func difference(t *testing.T, p *plugins, cfg *config) string {
	t.Helper()
	base, err := p.load(hclx.Input{})
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, line := range settingLines(base) {
		known[line] = true
	}
	var out strings.Builder
	for _, line := range settingLines(cfg) {
		if !known[line] {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

// settingLines lists the settings of a configuration with their blocks.
func settingLines(cfg *config) []string {
	var lines []string
	blocks := []string{""}
	for line := range strings.Lines(cfg.hcl()) {
		line = strings.TrimSpace(line)
		block := blocks[len(blocks)-1]
		switch {
		case strings.HasSuffix(line, "{"):
			block += strings.TrimSuffix(line, "{")
			lines = append(lines, strings.TrimSpace(block))
			blocks = append(blocks, block)
		case line == "}":
			blocks = blocks[:len(blocks)-1]
		case line != "" && !strings.HasPrefix(line, "#"):
			name, value, _ := strings.Cut(line, "=")
			lines = append(lines, block+strings.TrimSpace(name)+" ="+value)
		}
	}
	return lines
}
