package daemon

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each file of testdata/check has a configuration with directives, as those of
// testdata/config, and after the line "----" what "ingestd check" prints of it, down
// to the memory. "# file NAME MODE text" makes a file beside it.
func TestGoldenChecks(t *testing.T) {
	files, err := filepath.Glob("testdata/check/*.txt")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d golden checks, %v", len(files), err)
	}
	for _, file := range files {
		file, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(text), "----\n")
			got := checked(t, input)
			if *update {
				if err := os.WriteFile(file, []byte(input+"----\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// checked runs "ingestd check" on a configuration.
func checked(t *testing.T, input string) string {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "config.hcl", input)
	args := []string{"check"}
	for line := range strings.Lines(input) {
		line = strings.TrimRight(line, "\n")
		if set, is := strings.CutPrefix(line, "# set "); is {
			args = append(args, "--set="+set)
		}
		if env, is := strings.CutPrefix(line, "# env "); is {
			name, value, _ := strings.Cut(env, "=")
			t.Setenv(name, value)
		}
		if file, is := strings.CutPrefix(line, "# file "); is {
			name, text, _ := strings.Cut(file, " ")
			mode, text, _ := strings.Cut(text, " ")
			write(t, name, text+"\n")
			if mode == "public" {
				if err := os.Chmod(name, 0o644); err != nil {
					t.Fatal(err)
				}
			} else if err := os.Chmod(name, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	var out bytes.Buffer
	mainWith(args, &out, &out)
	shown, _, _ := strings.Cut(out.String(), "\n# The most memory")
	if strings.Contains(shown, "marker") {
		t.Errorf("a secret is shown:\n%s", shown)
	}
	return shown
}

// What "check" prints is a configuration that means the same, but for what is
// masked.
func TestCheckPrintsAConfiguration(t *testing.T) {
	p := testPlugins(t)
	first := testConfig(t, p, "router {\n  batch_size = 5\n}\ntransport \"websocket\" \"edge\" {\n  ops = [\"a # b\"]\n}", "log.level=debug")
	again := testConfig(t, p, first.hclWithOrigins())
	if first.hcl() != again.hcl() {
		t.Errorf("read again it is\n%s", again.hcl())
	}
}

// After a reload the origins are those of the file as it was read last, but for what
// needs a restart.
func TestOriginsAfterAReload(t *testing.T) {
	p := testPlugins(t)
	before := testConfig(t, p, "data_dir = \"a\"\nrouter {\n  batch_size = 5\n}\n")
	next := testConfig(t, p, "\n\nrouter {\n  batch_size = 6\n  batch_wait = \"1s\"\n}\n\ndata_dir = \"b\"\n", "log.level=debug")
	adopted, _, rest := before.adopt(next)
	if len(rest) != 1 {
		t.Fatalf("%v need a restart", rest)
	}
	for path, want := range map[string]string{
		"data_dir": "config.hcl:1", "router.batch_size": "config.hcl:4", "router.batch_wait": "config.hcl:5",
		"router.max_pending": "default", "log.level": "--set",
	} {
		if got := adopted.origins.Of(path); got != want {
			t.Errorf("%s comes from %s, not %s", path, got, want)
		}
	}
}

// Every variable that stands for a flag is known not to be a setting.
func TestFlagVariables(t *testing.T) {
	for _, name := range flagVariables {
		if left := settingsAmong([]string{name + "=x"}); len(left) > 0 {
			t.Errorf("%s is taken for a setting", name)
		}
	}
	for _, name := range []string{"INGESTD_SINK", "INGESTD_PORTS", "INGESTD_SERVICE", "INGESTD_CONFIGS"} {
		if left := settingsAmong([]string{"PATH=/bin", name + "=x"}); len(left) != 1 {
			t.Errorf("%s is not taken for a setting", name)
		}
	}
}

// What a variable is called may come from elsewhere: a terminal does not obey it.
func TestNamesThatNobodyPrints(t *testing.T) {
	t.Setenv("INGESTD_\x1b[2J", "x")
	for _, args := range [][]string{
		{"check", "--set", "sink=sqlite"},
		{"check", "--set", "a\x1b[2J=1"},
		{"check", "--set", "\x1b[2J"},
	} {
		var out bytes.Buffer
		mainWith(args, &out, &out)
		if text := out.String(); !strings.Contains(text, "[2J") || strings.Contains(text, "\x1b") {
			t.Errorf("%q prints %q", args, text)
		}
	}
}

func TestSameAddress(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"127.0.0.1:1", "127.0.0.1:1", true},
		{"127.0.0.1:1", "127.0.0.1:2", false},
		{"127.0.0.1:1", "127.0.0.2:1", false},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{"127.0.0.1:80", "localhost:http", true},
		{":1", "127.0.0.1:1", true},
		{":1", "[::1]:1", true},
		{"[::]:1", "127.0.0.1:1", true},
		{"0.0.0.0:1", "127.0.0.1:1", true},
		{"0.0.0.0:1", "localhost:1", true},
		{"0.0.0.0:1", "[::]:1", true},
		{"0.0.0.0:1", "[::1]:1", false},
		{"", "127.0.0.1:1", false},
		{"127.0.0.1:none", "127.0.0.1:none", false},
	} {
		if sameAddress(c.a, c.b) != c.same || sameAddress(c.b, c.a) != c.same {
			t.Errorf("%s and %s: %v", c.a, c.b, !c.same)
		}
	}
}
