package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
)

// A page in a real browser, behind the proxy, comes through what the clients in
// the terminal come through.
func TestPage(t *testing.T) {
	t.Parallel()
	d := start(t)
	d.refuse(poison)
	host := newPageHost(d.addr)
	server := httptest.NewServer(host)
	t.Cleanup(server.Close)
	openPage(t, server.URL+"/?pause=0")
	for range 2 {
		d.stored(200)
		d.kill()
		d.start()
	}
	d.stored(200)
	close(host.stop)
	var said string
	eventually(t, "the page says how it ended", func() bool {
		select {
		case said = <-host.said:
		default:
		}
		return said != ""
	})
	sent, refused := summary(t, said)
	if refused != 1 || strings.Count(said, "refused: rejected: ") != 1 {
		t.Errorf("the page says %q: one must be refused, and be reported", said)
	}
	d.stop()
	d.judge(sent, poison)
}

// A page of another host and port is turned away by ingestd itself: hence the proxy.
func TestOrigin(t *testing.T) {
	t.Parallel()
	d := start(t)
	server := httptest.NewServer(site(d.addr))
	t.Cleanup(server.Close)
	for origin, want := range map[string]int{
		server.URL:              http.StatusSwitchingProtocols,
		"http://127.0.0.1:8000": http.StatusForbidden,
		"null":                  http.StatusForbidden, // a page that is opened as a file
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/ws", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Origin": {origin},
			"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("the origin %s: status %d, want %d", origin, answer.StatusCode, want)
		}
	}
}

// pageHost is the site, with a hand for the page: a script that presses its
// button once stop is closed, and gives what the page then says to said.
type pageHost struct {
	http.Handler
	stop chan struct{}
	said chan string
}

const hand = `<script type="module">
	await fetch("/stop");
	const output = document.querySelector("output");
	new MutationObserver(() => {
		if (output.textContent.endsWith("stored")) fetch("/said", { method: "POST", body: document.body.innerText.match(/\d+ sent[^]*/)[0] });
	}).observe(output, { childList: true });
	document.querySelector("button").click();
</script>`

func newPageHost(daemon string) *pageHost {
	h := &pageHost{stop: make(chan struct{}), said: make(chan string, 1)}
	real, mux := site(daemon), http.NewServeMux()
	mux.Handle("/", real)
	mux.HandleFunc("/{$}", func(rw http.ResponseWriter, r *http.Request) {
		page := httptest.NewRecorder()
		real.ServeHTTP(page, r)
		rw.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(rw, page.Body.String()+hand)
	})
	mux.HandleFunc("/stop", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-h.stop:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/said", func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		h.said <- string(text)
	})
	h.Handler = mux
	return h
}

// openPage opens url in a browser without a window, until the test ends.
func openPage(t *testing.T, url string) {
	t.Helper()
	dir := t.TempDir()
	for _, browser := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(browser); err == nil {
			// Its sandbox does not work as root, nor in most containers.
			run(t, []string{"HOME=" + dir, "TMPDIR=" + dir}, path, "--headless", "--no-sandbox", "--disable-gpu",
				"--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
				"--user-data-dir="+dir, "--remote-debugging-port=0", url)
			return
		}
	}
	t.Fatal("install a browser (Debian: chromium)")
}
