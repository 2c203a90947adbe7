package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingestd/ingestd"
	"github.com/ingestd/ingestd/daemon/internal/hclx"
)

// Whatever a file holds, loading it ends: in a configuration that is valid, or in
// mistakes. What the environment holds is never shown.
func FuzzConfig(f *testing.F) {
	const fromEnvironment = "environment-secret-7f3a"
	if err := os.Setenv("FUZZ_SECRET", fromEnvironment); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = os.Unsetenv("FUZZ_SECRET") })
	files, err := filepath.Glob("testdata/config/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		input, _, _ := strings.Cut(string(text), "----\n")
		f.Add(input, "router.batch_size=5")
	}
	f.Add(ingestd.ExampleConfig(), "sink=mysql")
	f.Add(`data_dir = env("FUZZ_SECRET")`, "sink.mysql.dsn=u:p@tcp(x)/y")
	f.Add(`sink "mysql" { dsn = "u:p@" }`, "=")
	p := testPlugins(f)
	f.Fuzz(func(t *testing.T, src, set string) {
		cfg, err := p.load(hclx.Input{Name: "config.hcl", Text: []byte(src), Sets: []string{set}})
		var mistakes *hclx.Mistakes
		switch {
		case err == nil:
			// A valid one can be shown, and checked again.
			if cfg.memory(0) == "" {
				t.Error("no memory is explained")
			}
		case !errors.As(err, &mistakes):
			t.Errorf("not mistakes: %v", err)
		case mistakes.Count < 1 || mistakes.Error() == "":
			t.Error("mistakes without a text")
		case strings.Contains(err.Error(), fromEnvironment):
			t.Errorf("a value of the environment is shown:\n%v", err)
		}
	})
}
