package daemon

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The marker stands for a password. It must not be in anything that the program
// writes, whatever is wrong.
func TestSecretsAreNeverShown(t *testing.T) {
	const marker = "marker-Pa55word"
	const dsn = "root:" + marker + "@tcp(127.0.0.1:1)/ingest"
	t.Setenv("TEST_DSN", dsn)
	dir := t.TempDir()
	t.Chdir(dir)

	files := map[string]string{
		"valid":               fmt.Sprintf("sink \"mysql\" {\n  dsn = %q\n}\n", dsn),
		"environment":         "sink \"mysql\" {\n  dsn = env(\"TEST_DSN\")\n}\n",
		"default":             fmt.Sprintf("sink \"mysql\" {\n  dsn = env(\"TEST_NOT_SET\", %q)\n}\n", dsn),
		"default-bad":         fmt.Sprintf("sink \"mysql\" {\n  dsn = env(\"TEST_NOT_SET\", %q)\n}\n", marker),
		"bad":                 fmt.Sprintf("sink \"mysql\" {\n  dsn = %q\n}\n", "root:"+marker+"@nowhere"),
		"parameter":           fmt.Sprintf("sink \"mysql\" {\n  dsn = %q\n}\n", dsn+"?timeout="+marker),
		"misspelt":            fmt.Sprintf("sink \"mysql\" {\n  dns = %q\n}\n", dsn),
		"wrong-sink":          fmt.Sprintf("sink \"sqlite\" {\n  dsn = %q\n}\n", dsn),
		"unknown-sink":        fmt.Sprintf("sink \"postgres\" {\n  dsn = %q\n}\n", dsn),
		"at-top":              fmt.Sprintf("dsn = %q\n", dsn),
		"misplaced":           "router {\n  batch_wait = env(\"TEST_DSN\")\n  when_full = env(\"TEST_DSN\")\n}\n",
		"number":              "sink \"mysql\" {\n  dsn = [\"" + marker + "\"]\n}\n",
		"unquoted":            "sink \"mysql\" {\n  dsn = " + dsn + "\n}\n",
		"unclosed":            "sink \"mysql\" {\n  dsn = \"" + dsn + "\n}\n",
		"no-equals":           "sink \"mysql\" {\n  dsn \"" + dsn + "\"\n}\n",
		"escape":              "sink \"mysql\" {\n  dsn = \"\\" + marker + "\"\n}\n",
		"template":            "sink \"mysql\" {\n  dsn = \"%{" + marker + "}\"\n}\n",
		"interpolation":       "sink \"mysql\" {\n  dsn = \"${" + marker + "}\"\n}\n",
		"heredoc":             "sink \"mysql\" {\n  dsn = <<X\nlevel " + marker + "\nX\n  writers = = 1\n}\n",
		"comment":             "sink \"mysql\" {\n  dsn = \"\" # " + marker + "\n}\n",
		"same-line":           "sink \"mysql\" { dsn = \"" + dsn + "\" writers = 2 }\n",
		"wrong-beside":        "sink \"mysql\" { dsn = \"" + dsn + "\" }\nrouter { batch_size = 0 }\n",
		"environment-as-name": "sink \"mysql\" {\n  dsn = env(\"" + marker + "@\")\n}\n",
	}
	var names []string
	for name, text := range files {
		if err := os.WriteFile(name+".hcl", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name+".hcl")
	}
	var commands [][]string
	for _, file := range names {
		commands = append(commands, []string{"check", "--config", file})
	}
	for _, file := range []string{"valid.hcl", "environment.hcl", "default.hcl"} {
		commands = append(commands,
			[]string{"check", "--connect", "--config", file},
			[]string{"run", "--config", file, "--set", "log.level=trace"},
			[]string{"run", "--config", file, "--set", "log.level=trace", "--set", "log.format=json"},
		)
	}
	for _, set := range []string{
		"sink.mysql.dsn=" + dsn, "sink.mysql.dsn=" + marker, "sink.mysql.dns=" + dsn, "sink.mysql=" + dsn,
		"sinks.mysql.dsn=" + dsn, "dsn=" + dsn, "sink.postgres.dsn=" + dsn,
	} {
		commands = append(commands, []string{"check", "--set", set}, []string{"check", "--connect", "--set", set})
	}
	for _, args := range commands {
		var out bytes.Buffer
		status := mainWith(args, &out, &out)
		if strings.Contains(out.String(), marker) || strings.Contains(out.String(), "Pa55word") {
			t.Errorf("ingestd %s (status %d) shows the password:\n%s",
				strings.ReplaceAll(strings.Join(args, " "), marker, "..."), status, &out)
		}
	}
	// Nor may it be in a file that was left.
	err := filepath.WalkDir("ingest-data", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(marker)) {
			t.Errorf("the password is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
