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

// Whatever the environment holds, loading ends: in a configuration that is valid, or
// in mistakes. No value of a variable whose name says nothing is shown.
func FuzzEnvironment(f *testing.F) {
	for _, name := range []string{
		"ROUTER__BATCH_SIZE", "SINK", "SINK__DSN", "SINK__MYSQL__DSN", "SINK__STDOUT__FORMAT", "LOG__LEVEL",
		"TRANSPORT__WEBSOCKET__LISTEN", "TRANSPORT__WEBSOCKET__EDGE_1__LISTEN", "TRANSPORT__HTTP__TLS__CERT",
		"TRANSPORT__WEBSOCKET__AUTH__TOKEN__EDGE__VALUE", "TRANSPORT__WEBSOCKET__AUTH__TOKEN__A__B__IDS",
		"TRANSPORT__WEBSOCKET_CLIENT__HEADER__X__VALUE", "", "__", "_", "A___B", "SINK__", "SINK____DSN", "TRANSPORT__",
		"TRANSPORT__HTTP__", "TRANSPORT__HTTP____LISTEN", "TRANSPORT__WEBSOCKET__AUTH__TOKEN____VALUE", "Sink", "\u017f",
	} {
		f.Add(name, "7", "SINK__PATH", `""`)
		f.Add(name, "marker-7f3a", "TRANSPORT__WEBSOCKET__NORTH__PATH", "/a")
	}
	p := testPlugins(f)
	src := []byte("transport \"websocket\" \"North\" {}\nsink \"sqlite\" {}\n")
	f.Fuzz(func(t *testing.T, name, value, other, otherValue string) {
		if strings.ContainsAny(name+other, "=\x00") {
			return
		}
		for _, text := range [][]byte{nil, src} {
			cfg, err := p.load(hclx.Input{
				Name: "config.hcl", Text: text,
				Env: settingsAmong([]string{hclx.EnvPrefix + name + "=" + value, hclx.EnvPrefix + other + "=" + otherValue}),
			})
			var mistakes *hclx.Mistakes
			switch {
			case err == nil:
				if shown := cfg.hclWithOrigins(); !strings.Contains(shown, "sink ") {
					t.Errorf("shown as\n%s", shown)
				}
				for _, w := range cfg.warnings {
					if len(value) > 8 && strings.Contains(w.String(), value) && !strings.Contains(name+other, value) {
						t.Errorf("a warning shows a value: %s", w)
					}
				}
			case !errors.As(err, &mistakes):
				t.Errorf("not mistakes: %v", err)
			case mistakes.Count < 1 || mistakes.Error() == "":
				t.Error("mistakes without a text")
			}
		}
	})
}
