package attack

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/child/childtest"
)

// page tries every way to connect that a page has, and tells its host how each
// ended. It is in a frame of another page, too, which has another origin.
const page = `<!doctype html><script type="module">
const token = %q, wrong = %q, url = %q
const bearer = t => "ingest.bearer." + btoa(t).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "")
const attempt = (url, protocols) => new Promise(done => {
	const s = new WebSocket(url, protocols)
	s.onopen = () => s.send(JSON.stringify({ id: "browser", seq: 1, data: location.origin }))
	s.onmessage = e => { done("protocol " + s.protocol + ", " + JSON.parse(e.data).op); s.close() }
	s.onerror = () => done("refused")
})
const post = t => fetch(%q, { method: "POST", body: '{"id":"browser"}', headers: { Authorization: "Bearer " + t } })
	.then(async r => r.status + " " + await r.text()).catch(() => "refused")
const said = {
	"no token": await attempt(url, ["ingest.v1"]),
	"wrong token": await attempt(url, ["ingest.v1", bearer(wrong)]),
	"token in the URL": await attempt(url + "?token=" + token, ["ingest.v1"]),
	"token": await attempt(url, ["ingest.v1", bearer(token)]),
	"post": await post(token),
	"post, wrong token": await post(wrong),
}
await fetch("/said", { method: "POST", body: JSON.stringify(said) })
</script>`

// host is a site with the page, and gives what the page says.
func host(t *testing.T, html *atomic.Value) (url string, said chan map[string]string) {
	said = make(chan map[string]string, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(rw, html.Load().(string))
	})
	mux.HandleFunc("POST /said", func(_ http.ResponseWriter, r *http.Request) {
		var m map[string]string
		if json.NewDecoder(r.Body).Decode(&m) == nil {
			said <- m
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL, said
}

// browse opens url in a browser without a window, until the test ends.
func browse(t *testing.T, url string) {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		dir := t.TempDir()
		// Its sandbox does not work as root, nor in most containers.
		cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
			"--disable-background-networking", "--user-data-dir="+dir, "--remote-debugging-port=0", url)
		cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Signal(os.Interrupt) // it ends its own children
			_ = cmd.Wait()
		})
		return
	}
	t.Fatal("install a browser (Debian: chromium)")
}

// X12 and X13, in a real browser: a page of an origin that is allowed connects with
// a token as a subprotocol, and in no other way; one of another origin in none.
func TestBrowser(t *testing.T) {
	var good, evil atomic.Value // of string
	goodURL, goodSaid := host(t, &good)
	evilURL, evilSaid := host(t, &evil)
	x := startAs(t, plan{
		header: http.Header{"Authorization": {"Bearer " + goodToken}},
		config: fmt.Sprintf(`
transport "websocket" {
  origins = [%q]
  auth {
    token "page" {
      value = %q
    }
  }
}
transport "http" {
  listen  = "127.0.0.1:0"
  origins = [%q]
  auth {
    token "page" {
      value = %q
    }
  }
}`, goodURL, goodToken, goodURL, goodToken),
	})
	html := fmt.Sprintf(page, goodToken, wrongToken, x.url("ws"), x.url("http"))
	evil.Store(html)
	good.Store(html + fmt.Sprintf("<iframe src=%q></iframe>", evilURL))
	browse(t, goodURL)
	for _, c := range []struct {
		name string
		said chan map[string]string
		want map[string]string
	}{
		{"allowed", goodSaid, map[string]string{
			"no token": "refused", "wrong token": "refused", "token in the URL": "refused",
			"token": "protocol ingest.v1, ack", "post": "200", "post, wrong token": "401",
		}},
		{"evil", evilSaid, map[string]string{
			"no token": "refused", "wrong token": "refused", "token in the URL": "refused",
			"token": "refused", "post": "refused", "post, wrong token": "refused",
		}},
	} {
		select {
		case said := <-c.said:
			for what, want := range c.want {
				if got := said[what]; !strings.HasPrefix(got, want) {
					t.Errorf("a page of the %s origin, %s: %q, want %q", c.name, what, got, want)
				}
			}
		case <-time.After(childtest.Patience):
			t.Fatalf("a page of the %s origin says nothing", c.name)
		}
	}
	x.fine()
	if strings.Contains(x.log.String(), goodToken) {
		t.Error("the log has the token")
	}
}

// X12, X13 and X18 over HTTP, with curl: who has no certificate or no token is
// refused, and others are answered when their messages are stored.
func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("install curl")
	}
	ca := newAuthority(t)
	ca.issue("server", time.Hour)
	pair := ca.issue("client", time.Hour)
	files := fmt.Sprintf(`
  tls {
    cert      = %q
    key       = %q
    client_ca = %q
  }`, ca.path("server.pem"), ca.path("server.key"), ca.path("ca.pem"))
	x := startAs(t, plan{
		http: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool(), Certificates: []tls.Certificate{pair}}}},
		config: fmt.Sprintf(`
transport "websocket" { %s
}
transport "http" {
  listen        = "127.0.0.1:0"
  max_body_size = "64KiB" %s
  auth {
    token "curl" {
      value = %q
      ids   = ["curl-*"]
    }
  }
}`, files, files, goodToken),
	})
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(w, `{"id":"curl-3"}`+"\n"+`{"id":"curl-4"}`+"\n")
	_ = w.Close()
	var bomb bytes.Buffer
	w = gzip.NewWriter(&bomb)
	_, _ = w.Write(bytes.Repeat([]byte(" "), 16<<20))
	_ = w.Close()
	for name, text := range map[string][]byte{"gzip": zipped.Bytes(), "bomb": bomb.Bytes(), "large": bytes.Repeat([]byte(" "), 65<<10)} {
		if err := os.WriteFile(filepath.Join(x.dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	client := []string{"--cert", ca.path("client.pem"), "--key", ca.path("client.key")}
	token := []string{"-H", bearer(goodToken)}
	one := []string{"-d", `{"id":"curl-1","data":1}`}
	url := x.url("https")
	for _, c := range []struct {
		name, want, body string
		args             [][]string
	}{
		{"one message", "200", `"stored":1`, [][]string{client, token, one}},
		{"an array", "200", `"stored":2`, [][]string{client, token, {"-d", `[{"id":"curl-1"},{"id":"curl-2"}]`}}},
		{"gzip", "200", `"stored":2`, [][]string{client, token, {"-H", "Content-Encoding: gzip", "--data-binary", "@gzip"}}},
		{"an id of others", "", `forbidden`, [][]string{client, token, {"-d", `{"id":"other"}`}}},
		{"a bomb", "413", "", [][]string{client, token, {"-H", "Content-Encoding: gzip", "--data-binary", "@bomb"}}},
		{"a large body", "413", "", [][]string{client, token, {"--data-binary", "@large"}}},
		{"no token", "401", "", [][]string{client, one}},
		{"a wrong token", "401", "", [][]string{client, {"-H", bearer(wrongToken)}, one}},
		{"a token in the URL", "401", "", [][]string{client, one, {"--url-query", "token=" + goodToken}}},
		{"a page of another host", "403", "", [][]string{client, token, one, {"-H", "Origin: https://evil.example"}}},
		{"another path", "404", "", [][]string{client, token, one, {"--request-target", "/v1/other"}}},
		{"another method", "405", "", [][]string{client, token, {"-X", "PUT"}, one}},
		{"no certificate", "000", "", [][]string{token, one}},
		{"TLS 1.1", "000", "", [][]string{client, token, one, {"--tls-max", "1.1"}}},
	} {
		args := []string{"-sS", "--cacert", ca.path("ca.pem"), "-w", "\n%{http_code}", "--max-time", "60"}
		for _, some := range c.args {
			args = append(args, some...)
		}
		cmd := exec.Command(curl, append(args, url)...)
		cmd.Dir = x.dir
		out, _ := cmd.Output() // refused by TLS: a status of its own
		i := bytes.LastIndexByte(out, '\n')
		body, status := string(out[:max(i, 0)]), string(out[i+1:])
		if c.want != "" && status != c.want || !strings.Contains(body, c.body) {
			t.Errorf("%s: status %s, %s, want %s with %s", c.name, status, body, c.want, c.body)
		}
	}
	x.fine()
	if strings.Contains(x.log.String(), goodToken) {
		t.Error("the log has the token")
	}
}
