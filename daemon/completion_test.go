package daemon

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// model is that of the command line.
func model(t *testing.T) *kong.Node {
	t.Helper()
	parser, err := kong.New(&cli{}, kong.Vars{"sinks": "", "transports": "", "version": ""})
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model.Node
}

func TestComplete(t *testing.T) {
	root := model(t)
	for _, c := range []struct{ words, want string }{
		{"com", "completion"}, // and not what is hidden
		{"completion |", "bash zsh fish"},
		{"completion b", "bash"},
		{"completion bash |", ""},
		{"dead-letters |", "list show replay discard"},
		{"dead-letters s", "show"},
		{"healthcheck --r", "--ready"},
		{"healthcheck --ready --u", "--url"},
		{"run --conf", "--config"},
		{"--conf", "--config"}, // run is meant
		{"run --config |", ":files"},
		{"run --config c", ":files"},
		{"run -c |", ":files"},
		{"run --config=|", ":files"},
		{"run --config = |", ":files"}, // as bash has it
		{"run --config = c", ":files"},
		{"run --config file com", ""}, // it is no command there
		{"send --nothing=|", ""},
		{"send -- --f", ":files"},
		{"healthcheck -- --r", ""},
		{"nonsense |", ""},
	} {
		words := strings.Fields(strings.ReplaceAll(c.words, "|", " | "))
		if last := len(words) - 1; words[last] == "|" {
			words[last] = ""
			if strings.HasSuffix(c.words, "=|") {
				words = append(words[:last-1], words[last-1])
			}
		}
		var got []string
		for _, s := range complete(root, words) {
			value, _, _ := strings.Cut(s, "\t")
			got = append(got, value)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q: %q, not %q", words, got, c.want)
		}
	}
	if all := complete(root, nil); len(all) != len(complete(root, []string{""})) || len(all) < 8 {
		t.Errorf("without a word: %q", all)
	}
}

// Every command and every flag of the command line is found, with an explanation.
func TestCompleteKnowsEverything(t *testing.T) {
	root := model(t)
	for _, leaf := range root.Leaves(true) {
		words := strings.Fields(leaf.FullPath())[1:]
		for i, word := range words {
			next := complete(root, append(slices.Clone(words[:i]), word))
			if !slices.ContainsFunc(next, func(s string) bool { return strings.HasPrefix(s, word+"\t") && len(s) > len(word)+5 }) {
				t.Errorf("%q is not found: %q", words[:i+1], next)
			}
		}
		for _, group := range leaf.AllFlags(true) {
			for _, flag := range group {
				next := complete(root, append(slices.Clone(words), "--"+flag.Name))
				if len(next) == 0 || !strings.HasPrefix(next[0], "--"+flag.Name) {
					t.Errorf("%q: --%s is not found", words, flag.Name)
				}
			}
		}
	}
}

// bash itself sources the script, and asks it.
func TestCompletionInBash(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "my file.hcl"), "")
	t.Setenv("PATH", filepath.Dir(program)+":"+os.Getenv("PATH"))
	const ask = `source <(ingestd completion bash)
complete -p ingestd
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_ingestd
printf '%s\n' "${COMPREPLY[@]}"`
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"ingestd", "dead"}, "dead-letters"},
		{[]string{"ingestd", "completion", ""}, "bash\nzsh\nfish"},
		{[]string{"ingestd", "run", "--config", "my"}, "my file.hcl"},
		{[]string{"ingestd", "run", "--config", "=", "my"}, "my file.hcl"},
		{[]string{"ingestd", "healthcheck", "--rea"}, "--ready"},
	} {
		bash := exec.Command("bash", append([]string{"--norc", "-c", ask, "bash"}, c.words...)...)
		bash.Dir = dir
		out, err := bash.CombinedOutput()
		if want := "complete -F _ingestd ingestd\n" + c.want + "\n"; err != nil || string(out) != want {
			t.Errorf("%q: %q, not %q (%v)", c.words, out, want, err)
		}
	}
}
