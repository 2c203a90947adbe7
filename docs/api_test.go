package docs_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var asking = regexp.MustCompile("(?s)```sh\n(curl [^`]*?)```\n\n```(json|text)\n(.*?)```")

// What docs/api.md asks for is answered by a daemon in the form that is shown
// there: with these names, and values of these kinds.
func TestAPI(t *testing.T) {
	found := asking.FindAllStringSubmatch(read(t, "docs/api.md"), -1)
	if len(found) < 15 {
		t.Fatalf("there are %d examples", len(found))
	}
	t.Chdir(t.TempDir())
	address := runUntil(t, `ready: .*admin=http://(\S+)`, "--set=transport.websocket.listen=127.0.0.1:0", "--set=admin.listen=127.0.0.1:0")
	for _, m := range found {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(m[1], "127.0.0.1:7002", address))
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir()) // without a .curlrc
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s%v", m[1], err)
			continue
		}
		if m[2] == "text" {
			if fault := begins(string(out), m[3]); fault != "" {
				t.Errorf("%s%s", m[1], fault)
			}
			continue
		}
		var shown, given any
		if err := json.Unmarshal([]byte(m[3]), &shown); err != nil {
			t.Errorf("%s%v in %s", m[1], err, m[3])
		}
		if err := json.Unmarshal(out, &given); err != nil {
			t.Errorf("%s%v in %s", m[1], err, out)
		}
		if fault := differs("", shown, given); fault != "" {
			t.Errorf("%s%s\n%s", m[1], fault, out)
		}
	}
}

// begins tells where a line is not as it is shown, up to an ellipsis.
func begins(given, shown string) string {
	lines := strings.Split(given, "\n")
	for i, want := range strings.Split(strings.TrimSpace(shown), "\n") {
		want, _, _ = strings.Cut(want, "…")
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			return fmt.Sprintf("line %d is not %q in\n%s", i+1, want, given)
		}
	}
	return ""
}

// differs tells where two values have not the same form. Null is a value of every
// kind; of lists, the first elements are compared.
func differs(path string, shown, given any) string {
	if shown == nil || given == nil {
		return ""
	}
	switch want := shown.(type) {
	case map[string]any:
		got, ok := given.(map[string]any)
		if !ok {
			return path + " is no object"
		}
		for _, name := range slices.Sorted(keysOf(want, got)) {
			a, shows := want[name]
			b, has := got[name]
			if !shows || !has {
				return fmt.Sprintf("%s.%s is shown: %v, and there: %v", path, name, shows, has)
			}
			if fault := differs(path+"."+name, a, b); fault != "" {
				return fault
			}
		}
	case []any:
		got, ok := given.([]any)
		if !ok {
			return path + " is no list"
		}
		if len(want) > 0 && len(got) > 0 {
			return differs(path+"[0]", want[0], got[0])
		}
	default:
		if a, b := fmt.Sprintf("%T", shown), fmt.Sprintf("%T", given); a != b {
			return fmt.Sprintf("%s is shown as a %s, and is a %s", path, a, b)
		}
	}
	return ""
}

func keysOf(maps ...map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		seen := map[string]bool{}
		for _, m := range maps {
			for name := range m {
				if !seen[name] && !yield(name) {
					return
				}
				seen[name] = true
			}
		}
	}
}
