package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/internal/long"
)

// keptToken is that of the clients that are there all the time.
const keptToken = "kept-token-0123456789"

// reloading is a daemon whose configuration changes while clients send to it.
type reloading struct {
	*daemon
	dir    string
	spool  bool
	admin  string // where it is
	ws     string
	https  string
	client http.Client
	round  int    // of the configuration in effect
	said   int    // how many reloads the log has told
	config string // in effect, as the daemon writes it
}

func startReloading(t *testing.T, dir string, spool bool) *reloading {
	t.Helper()
	r := &reloading{dir: dir, spool: spool, client: http.Client{
		Timeout:   patience,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, // it is the certificate that is looked at
	}}
	r.write(t, 0, "")
	r.daemon = start(t, dir)
	t.Cleanup(r.client.CloseIdleConnections)
	r.admin = adminAt.FindStringSubmatch(r.says("ready: "))[1]
	r.ws = regexp.MustCompile(`ws://[^\s"\]]+`).FindString(r.says("ready: "))
	r.https = regexp.MustCompile(`https://[^\s"\]]+`).FindString(r.says("ready: "))
	r.config = r.ask(t, "GET", "config", r.adminToken(), http.StatusOK)
	return r
}

func (r *reloading) adminToken() string { return fmt.Sprintf("admin-token-%08d", r.round) }

func roundToken(round int) string { return fmt.Sprintf("round-token-%08d", round) }

// write writes the configuration of a round, with a certificate and tokens of its
// own, and with what is broken in it.
func (r *reloading) write(t *testing.T, round int, broken string) {
	t.Helper()
	ack, level := "stored", "info"
	if r.spool {
		ack = "spooled"
	}
	if round%2 == 1 {
		level = "debug"
	}
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(r.dir, name)
		if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
	}
	certificate, key := selfSigned(t, round)
	tokens := "kept " + keptToken + "\nround " + roundToken(round) + "\n"
	extra := ""
	switch broken {
	case "syntax":
		extra = "router {\n"
	case "value":
		extra = "delivery {\n  retry_min = \"-1s\"\n}\n"
	case "tokens":
		tokens = "kept " + keptToken + " x y\n"
	case "certificate":
		certificate = "-----BEGIN NOTHING-----\n"
	}
	put("cert.pem", certificate)
	put("key.pem", key)
	put("tokens", tokens)
	delivery := ""
	if extra == "" || broken != "value" {
		delivery = fmt.Sprintf("delivery {\n  spool = %v\n  retry_max = \"%dms\"\n}\n", r.spool, 1000+round)
	}
	put("config.hcl", fmt.Sprintf(`
log { level = %q }
router {
  batch_size = %d
  batch_wait = "%dms"
  max_pending = "%dMiB"
  max_streams = %d
  idle_timeout = "%ds"
}
transport "websocket" {
  max_connections = %d
  max_streams_per_connection = %d
  ack = %q
  auth { file = "tokens" }
}
transport "http" {
  listen = "127.0.0.1:0"
  max_connections = %d
  auth { file = "tokens" }
  tls {
    cert = "cert.pem"
    key = "key.pem"
  }
}
admin {
  listen = "127.0.0.1:0"
  token = "admin-token-%08d"
}
%s%s`, level, 1+round%17, 1+round%5*20, 1+round%3*8, 1000+round, 60+round, 100+round, 100+round, ack, 100+round, round, delivery, extra))
}

// selfSigned makes a certificate that has round as its number.
func selfSigned(t *testing.T, round int) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(int64(round + 1)), NotAfter: time.Now().Add(24 * time.Hour), DNSNames: []string{"localhost"}}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// ask asks the admin server and expects a status.
func (r *reloading) ask(t *testing.T, method, path, token string, want int) string {
	t.Helper()
	q, err := http.NewRequest(method, r.admin+"/api/v1/"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+token)
	resp, err := r.client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s %s: status %d, want %d: %s %v", method, path, resp.StatusCode, want, body, err)
	}
	return string(body)
}

var reloads = regexp.MustCompile(`configuration (not )?reloaded`)

// reload makes the daemon read what was written, by a signal or by its admin
// server, and waits for what it says.
func (r *reloading) reload(t *testing.T, bySignal, broken bool) {
	t.Helper()
	want := http.StatusOK
	if broken {
		want = http.StatusUnprocessableEntity
	}
	if bySignal {
		if err := r.program().Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	} else {
		r.ask(t, "POST", "reload", r.adminToken(), want)
	}
	r.said++
	var told []string
	eventually(t, "a reload is told", func() bool {
		told = reloads.FindAllString(r.log(), -1)
		return len(told) >= r.said
	})
	if last := told[len(told)-1]; strings.Contains(last, "not") != broken || len(told) != r.said {
		t.Fatalf("%d reloads are told, want %d, the last: %q", len(told), r.said, last)
	}
}

// serial is the number of the certificate that a new connection is shown.
func (r *reloading) serial(t *testing.T) int64 {
	t.Helper()
	address := strings.TrimPrefix(r.https, "https://")
	address, _, _ = strings.Cut(address, "/")
	c, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// poster posts the messages of a sender in parts.
type poster struct {
	*sender
	posted atomic.Int64
}

// post posts one part and expects that all of it is settled well.
func (p *poster) post(r *reloading) error {
	var body bytes.Buffer
	const part = 20
	for range part {
		fmt.Fprintln(&body, p.message())
	}
	q, err := http.NewRequest("POST", fmt.Sprintf("%s?client=poster-%d", r.https, p.number), &body)
	if err != nil {
		return err
	}
	q.Header = bearer(keptToken)
	resp, err := r.client.Do(q)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var o outcome
	if err := json.NewDecoder(resp.Body).Decode(&o); err != nil {
		return fmt.Errorf("posted: %s: %w", resp.Status, err)
	}
	if resp.StatusCode != http.StatusOK || len(o.Errors) > 0 {
		return fmt.Errorf("posted: %s, %+v", resp.Status, o)
	}
	p.posted.Add(part)
	return nil
}

// A daemon under load reads its configuration again and again, by SIGHUP and by its
// admin server: batch settings, limits, the log's level, tokens, the certificate and
// the admin token change, and every fourth configuration is broken. Between any two
// reloads every client is acked something that it sent after the first of them; no
// connection of a token that is kept ends; one of a token that is gone does; what is
// broken changes nothing; and in the end nothing is lost, doubled or out of order.
func TestReloadsUnderLoad(t *testing.T) {
	for _, spool := range []bool{false, true} {
		t.Run(fmt.Sprintf("spool=%v", spool), func(t *testing.T) { reloadUnderLoad(t, spool) })
	}
}

func reloadUnderLoad(t *testing.T, spool bool) {
	const sockets, posters, window = 6, 2, 60
	dir := t.TempDir()
	s := sqliteStore(t, dir)
	r := startReloading(t, dir, spool)
	run := run("reload")

	var senders []*sender
	var clients []*client
	for i := range sockets {
		x := newSender(run, i, ids(20))
		x.numbered, x.window = true, window
		c, err := dialAs(r.ws, fmt.Sprintf("?client=socket-%d", i), bearer(keptToken))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.conn.CloseNow() }()
		senders, clients = append(senders, x), append(clients, c)
	}
	var posting []*poster
	for i := range posters {
		x := newSender(run, sockets+i, ids(20))
		x.numbered = true
		posting = append(posting, &poster{sender: x})
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	wait := begin(t, sockets+posters, func(i int) error {
		for ctx.Err() == nil {
			if i >= sockets {
				if err := posting[i-sockets].post(r); err != nil {
					return err
				}
			} else if err := senders[i].send(clients[i], 20); err != nil {
				return err
			}
		}
		if i < sockets {
			return clients[i].flush()
		}
		return nil
	})

	guest, err := dialAs(r.ws, "", bearer(roundToken(0)))
	if err != nil {
		t.Fatal(err)
	}
	broken := []string{"syntax", "value", "tokens", "certificate"}
	for i := range long.Scale(20, 100) {
		bySignal := i%2 == 0
		if i%4 == 3 {
			r.write(t, r.round+1, broken[i/4%len(broken)])
			r.reload(t, i/4%2 == 0, true)
			if now := r.ask(t, "GET", "config", r.adminToken(), http.StatusOK); now != r.config {
				t.Fatalf("a broken configuration changed something:\n%s\nwas:\n%s", now, r.config)
			}
			if err := guest.send(`{"op":"flush"}`); err != nil {
				t.Fatalf("the connection of a token that was to be kept: %v", err)
			}
		} else {
			r.write(t, r.round+1, "")
			r.reload(t, bySignal, false)
			before := r.adminToken()
			r.round++
			if r.round <= 5 { // who is wrong more often has to wait
				r.ask(t, "GET", "status", before, http.StatusUnauthorized)
			}
			r.config = r.ask(t, "GET", "config", r.adminToken(), http.StatusOK)
			_ = guest.wait("the end", func() bool { return false })
			if status := websocket.CloseStatus(guest.end); status != websocket.StatusPolicyViolation {
				t.Errorf("the connection of a token that is gone ends with %v", guest.end)
			}
			if guest, err = dialAs(r.ws, "", bearer(roundToken(r.round))); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.serial(t); got != int64(r.round+1) {
			t.Errorf("the certificate of round %d, want %d", got-1, r.round)
		}
		r.goOn(t, clients, window+6, posting) // a window, and a frame
	}
	stop()
	wait()
	_ = guest.conn.CloseNow()
	if n := r.stop(); n["refused"] != 0 || n["duplicates"] != 0 || n["undelivered"] != 0 || n["in-spool"] != 0 {
		t.Errorf("the daemon counts %v", n)
	}
	sent, total := make(map[key]int), 0
	for _, x := range senders {
		x.attempted(sent)
		total += x.all
	}
	for _, p := range posting {
		p.attempted(sent)
		total += p.all
	}
	run.judge(s.rows(), sent, sent).fine(t, total)
	t.Logf("%d messages", total)
	for _, token := range []string{keptToken, "round-token", "admin-token"} {
		if strings.Contains(r.log(), token) {
			t.Errorf("the log has %s", token)
		}
	}
}

// goOn waits until every client was acked something that it had not sent before: a
// client has so many messages under way at the most.
func (r *reloading) goOn(t *testing.T, clients []*client, most int64, posting []*poster) {
	t.Helper()
	for i, c := range clients {
		c.mu.Lock()
		before := c.total
		c.mu.Unlock()
		if err := c.wait(fmt.Sprintf("acks of client %d after a reload", i), func() bool { return c.total > before+most }); err != nil {
			t.Fatal(err)
		}
	}
	for i, p := range posting {
		before := p.posted.Load()
		eventually(t, fmt.Sprintf("poster %d goes on", i), func() bool { return p.posted.Load() > before+20 })
	}
}
