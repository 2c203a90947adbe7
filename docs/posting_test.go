package docs_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var posting = regexp.MustCompile("(?s)\n```sh\n(.*?curl .*?)```\n\n```text\n(.*?)```")

// What is posted in docs/protocol.md is answered as it is shown there, by a daemon
// with the configuration that stands there, which stores it within the request.
func TestPosting(t *testing.T) {
	_, section, _ := strings.Cut(read(t, "docs/protocol.md"), "## Posting messages\n")
	section, _, _ = strings.Cut(section, "\n## ")
	configs := fences(section, "hcl")
	found := posting.FindAllStringSubmatch(section, -1)
	if len(configs) != 1 || len(found) != 2 {
		t.Fatalf("there are %d configurations and %d requests", len(configs), len(found))
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("config.hcl", []byte(configs[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	address := runUntil(t, `ready: .*http://(\S+)/v1/messages`, "--set=transport.http.listen=127.0.0.1:0", "--set=router.batch_wait=1h")
	for _, m := range found {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(m[1], "127.0.0.1:7003", address))
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir()) // without a .curlrc
		out, err := cmd.Output()
		if err != nil || string(out) != m[2] {
			t.Errorf("%s%s, %v\nshown is %s", m[1], out, err, m[2])
		}
	}
	awaitRows(t, "SELECT id, seq < 10, client FROM messages ORDER BY id, seq", "17|0|\ncellar|1|phone-7\nroof|1|phone-7\n")
}
