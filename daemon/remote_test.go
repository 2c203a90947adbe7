package daemon

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

func TestAdminURL(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:7002": "http://127.0.0.1:7002", "0.0.0.0:7002": "http://127.0.0.1:7002", ":7002": "http://127.0.0.1:7002",
		"[::]:7002": "http://127.0.0.1:7002", "[::1]:7002": "http://[::1]:7002", "10.0.0.1:80": "http://10.0.0.1:80", "box:7002": "http://box:7002",
	} {
		if got, err := adminURL(listen); got != want || err != nil {
			t.Errorf("%s: %s, %v", listen, got, err)
		}
	}
	for listen, says := range map[string]string{"": "cannot be asked", "127.0.0.1:0": "--url says which", "nonsense": "--url says where"} {
		if got, err := adminURL(listen); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %s, %v", listen, got, err)
		}
	}
}

// The commands that ask a daemon say what is in the way, and what to do. None of
// them says the token.
func TestRemoteTroubles(t *testing.T) {
	const token = "marker-token-0123456789"
	answer := func(status int, text string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+token {
				t.Errorf("the token that came is %q", r.Header.Get("Authorization"))
			}
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, text)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	_ = l.Close()
	t.Setenv("INGESTD_ADMIN_TOKEN", token)
	for _, command := range [][]string{
		{"status"},
		{"status", "--json"},
		{"tail"},
		{"reload"},
		{"log-level", "debug"},
		{"dead-letters", "list"},
		{"dead-letters", "list", "--json"},
		{"dead-letters", "show", "1"},
		{"dead-letters", "replay"},
		{"dead-letters", "replay", "1"},
		{"dead-letters", "discard", "--all"},
	} {
		for _, c := range []struct {
			url, says string
			status    int
		}{
			{nobody, "Is it running?", exitOutside},
			{answer(401, `{"error":"a token is needed"}`), "a token is needed\nIt wants its admin.token: --token, or $INGESTD_ADMIN_TOKEN.", exitOutside},
			{answer(403, `{"error":"no\u001b[31m"}`), "no\\x1b[31m\nSet admin.token", exitOutside},
			{answer(404, "<html>"), "it is no admin server of ingestd that answers: 404 Not Found", exitFailed},
			{answer(500, `{"error":"broken"}`), "ingestd: broken", exitFailed},
			{"http://u:" + token + "@x", "must be like http://127.0.0.1:7002", exitWrong},
			{"ftp://x", "must be like http://127.0.0.1:7002", exitWrong},
		} {
			var stdout, stderr strings.Builder
			status := mainWith(append(command, "--url", c.url), &stdout, &stderr)
			want := c.status
			if command[0] == "status" && want == exitOutside {
				want = exitFailed
			}
			if command[0] == "dead-letters" && len(command) > 2 && command[2] == "1" && strings.Contains(c.says, "404") {
				c.says = "there is no dead letter 1"
			}
			if status != want || !strings.Contains(stderr.String(), c.says) {
				t.Errorf("%v %s: exit status %d, want %d and %q:\n%s", command, c.url, status, want, c.says, stderr.String())
			}
			if all := stdout.String() + stderr.String(); strings.Contains(all, token) {
				t.Errorf("%v says the token:\n%s", command, all)
			}
		}
	}
}

// The configuration says where the daemon is, though other things in it are wrong.
// Its token goes nowhere else.
func TestRemoteByConfiguration(t *testing.T) {
	var token string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token = r.Header.Get("Authorization")
		_, _ = fmt.Fprint(w, `{"changed":["router.batch_size"],"needs_restart":["sink"]}`)
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "config.hcl")
	config := func(text string) {
		write(t, file, "admin {\n  listen = \""+s.Listener.Addr().String()+"\"\n  token = \"marker-token-0123456789\"\n}\n"+text)
	}
	reload := func(wantStatus int, says, wantToken string, args ...string) {
		t.Helper()
		token = ""
		var out strings.Builder
		status := mainWith(append([]string{"reload", "--config", file}, args...), &out, &out)
		if status != wantStatus || !strings.Contains(out.String(), says) || token != wantToken {
			t.Errorf("exit status %d, token %q:\n%s", status, token, out.String())
		}
	}
	const fine = "Reloaded. Changed: router.batch_size\nChanges when the daemon is started again: sink\n"
	config("")
	reload(0, fine, "Bearer marker-token-0123456789")
	reload(0, fine, "", "--url", s.URL)
	reload(0, fine, "Bearer other", "--token", "other")
	config("router {\n  batch_size = 0\n}\nnonsense = 3\n")
	reload(0, fine, "Bearer marker-token-0123456789")
	config("sink \"mysql\" {\n  dsn = env(\"NOBODY_HAS_SET_THIS\")\n}\n")
	reload(0, fine, "Bearer marker-token-0123456789")
	write(t, file, "admin {\n  listen = env(\"NOBODY_HAS_SET_THIS\")\n}\n")
	reload(2, "NOBODY_HAS_SET_THIS", "")
	config("router {\n")
	reload(2, "--url says it, since the configuration cannot be read: nothing changes\n", "")
}
