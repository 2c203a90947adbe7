package daemon

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
)

func TestHealthcheck(t *testing.T) {
	p := start(t, t.TempDir(), append([]string{"run"}, free...)...)
	url := p.admin()
	t.Setenv("INGESTD_ADMIN_URL", url)
	if status, out, log := run(t, t.TempDir(), "healthcheck"); status != exitFine || out != "ok\n" {
		t.Errorf("status %d, %q, %q", status, out, log)
	}
	if status, out, log := run(t, t.TempDir(), "healthcheck", "--ready"); status != exitFine || !strings.HasPrefix(out, "ready\n") {
		t.Errorf("status %d, %q, %q", status, out, log)
	}
	p.signal(syscall.SIGTERM)
	p.wait()
	if status, out, log := run(t, t.TempDir(), "healthcheck"); status != exitFailed || out != "" || !strings.Contains(log, "ask the daemon") {
		t.Errorf("nobody is there: status %d, %q, %q", status, out, log)
	}
}

func TestHealthcheckAsksTheConfiguredAddress(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte("asked for " + r.URL.Path + "\n"))
	}))
	defer server.Close()
	address := server.Listener.Addr().String()
	if status, out, log := run(t, t.TempDir(), "healthcheck", "--set=admin.listen="+address); status != exitFine || out != "asked for /healthz\n" {
		t.Errorf("status %d, %q, %q", status, out, log)
	}
	status, out, log := run(t, t.TempDir(), "healthcheck", "--ready", "--url", address)
	if status != exitFailed || out != "asked for /readyz\n" || !strings.Contains(log, "answers 503 to /readyz") {
		t.Errorf("status %d, %q, %q", status, out, log)
	}
	for listen, says := range map[string]string{"": "cannot be asked", "127.0.0.1:0": "--url says"} {
		if status, _, log := run(t, t.TempDir(), "healthcheck", "--set=admin.listen="+listen); status != exitWrong || !strings.Contains(log, says) {
			t.Errorf("admin.listen %q: status %d, %q", listen, status, log)
		}
	}
}
