package daemon

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// dialAs connects with a token, and gives the status where that is refused.
func (p *process) dialAs(token string) (*websocket.Conn, int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, p.url(), &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
	if err != nil {
		if resp == nil {
			p.t.Fatal(err)
		}
		return nil, resp.StatusCode
	}
	p.t.Cleanup(func() { _ = c.CloseNow() })
	return c, http.StatusSwitchingProtocols
}

// Who may connect changes with SIGHUP, and so do the tokens in a file that has
// changed though the configuration has not. What is wrong changes nothing.
func TestReloadOfServers(t *testing.T) {
	const first, second, third = "marker-first-0123456789", "marker-second-0123456789", "marker-third-0123456789"
	dir := t.TempDir()
	file, tokens := filepath.Join(dir, "config.hcl"), filepath.Join(dir, "tokens")
	config := func(server string) {
		t.Helper()
		write(t, file, "transport \"websocket\" {\n  listen = \"127.0.0.1:0\"\n"+server+"}\nadmin {\n  listen = \"127.0.0.1:0\"\n}\n")
	}
	write(t, tokens, "in-file "+first+"\n")
	config("auth {\n  file = \"tokens\"\n}\n")
	p := start(t, dir)
	a, _ := p.dialAs(first)
	if _, status := p.dialAs(second); status != http.StatusUnauthorized {
		t.Errorf("a token that there is not yet: %d", status)
	}

	config("origins = [\"https://app.example.com\"]\nmax_connections = 10\nping_interval = \"1h\"\n" +
		"auth {\n  file = \"tokens\"\n  token \"b\" {\n    value = \"" + second + "\"\n  }\n}\n")
	p.signal(syscall.SIGHUP)
	line := p.await("configuration reloaded")
	for _, want := range []string{"transport.websocket.origins", "transport.websocket.max_connections", "transport.websocket.auth.token"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q does not name %s", line, want)
		}
	}
	if line := p.await("need a restart"); !strings.Contains(line, `["transport.websocket.ping_interval"]`) {
		t.Errorf("what needs a restart: %s", line)
	}
	b, status := p.dialAs(second)
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("the new token: %d", status)
	}

	// Broken in two ways: in the file of tokens, and in the certificate.
	write(t, tokens, "in-file "+third+" x y\n")
	p.signal(syscall.SIGHUP)
	p.await("configuration not reloaded")
	p.await("file: cannot be used: tokens:1: a line must be")
	if _, status := p.dialAs(first); status != http.StatusSwitchingProtocols {
		t.Errorf("after a reload that failed: %d", status)
	}

	write(t, tokens, "in-file "+third+"\n")
	p.signal(syscall.SIGHUP)
	for {
		frame, err := p.receive(a)
		if err == nil {
			t.Errorf("received %s", frame)
			continue
		}
		if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
			t.Errorf("the connection of a token that was taken back ends with %v", err)
		}
		break
	}
	if _, status := p.dialAs(first); status != http.StatusUnauthorized {
		t.Errorf("a token that was taken back: %d", status)
	}
	p.send(b, `{"op":"flush","id":1}`)
	if frame, err := p.receive(b); err != nil || frame != `{"op":"flush","id":1}` {
		t.Errorf("the other connection: %s %v", frame, err)
	}
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("status %d", status)
	}
	if strings.Contains(p.log(), "marker") {
		t.Errorf("there is a token in the log:\n%s", p.log())
	}
}

// liveSettings are of a transport of which one setting can change.
type liveSettings struct {
	Limit int    `hcl:"limit,optional" live:"true"`
	Place string `hcl:"place,optional"`
}

func (liveSettings) Validate() error { return nil }

// liveTransport notes what it is updated with, and refuses a limit of 13.
type liveTransport struct {
	testTransport
	got *[]liveSettings
}

func (l liveTransport) Update(c liveSettings) error {
	if c.Limit == 13 {
		return errors.New("13 is no limit")
	}
	*l.got = append(*l.got, c)
	return nil
}

// A transport that can be updated gets the settings that can change, and the others
// as they were. Where one of several refuses, those before it get back what they had.
func TestUpdater(t *testing.T) {
	t.Chdir(t.TempDir()) // the engine keeps its numbers in the data directory
	var one, two []liveSettings
	got := map[string]*[]liveSettings{"one": &one, "two": &two}
	listen := func(_ context.Context, c liveSettings, _ Host) (liveTransport, error) {
		return liveTransport{nil, got[c.Place]}, nil
	}
	plugins := testPlugins(t, WithTransport("live", func() liveSettings { return liveSettings{Limit: 1} }, listen))
	load := func(first, second string) *config {
		return testConfig(t, plugins, "transport \"live\" {\n"+first+"\n}\ntransport \"live\" \"b\" {\n"+second+"\n}\ntransport \"websocket\" {}\n")
	}
	current := load(`place = "one"`, `place = "two"`)
	e, err := engine.New(&testSink{}, current.engineOptions())
	if err != nil {
		t.Fatal(err)
	}
	p := &parts{engine: e}
	for _, c := range current.transports[:2] {
		opened, err := c.listen(context.Background(), c.config, Host{Logger: hclog.NewNullLogger()})
		if err != nil {
			t.Fatal(err)
		}
		p.transports = append(p.transports, namedTransport{opened, c.path(), c.update})
	}
	next := load("place = \"elsewhere\"\nlimit = 7", "place = \"two\"\nlimit = 8")
	next.Router.BatchWait = time.Minute
	next.DataDir = "elsewhere"
	adopted, live, rest := current.adopt(next)
	if want := []string{"router.batch_wait", "transport.live.b.limit", "transport.live.limit"}; !reflect.DeepEqual(live, want) {
		t.Errorf("live: %v", live)
	}
	if want := []string{"data_dir", "transport.live.place"}; !reflect.DeepEqual(rest, want) {
		t.Errorf("the rest: %v", rest)
	}
	if err := p.update(current, adopted); err != nil {
		t.Fatal(err)
	}
	if want := []liveSettings{{7, "one"}}; !reflect.DeepEqual(one, want) {
		t.Errorf("one: %v", one)
	}
	if want := []liveSettings{{8, "two"}}; !reflect.DeepEqual(two, want) {
		t.Errorf("two: %v", two)
	}
	if adopted.Router.BatchWait != time.Minute || adopted.DataDir != current.DataDir {
		t.Errorf("adopted: %+v", adopted.core)
	}

	refused, _, _ := adopted.adopt(load(`limit = 9`, `limit = 13`))
	if err := p.update(adopted, refused); err == nil || err.Error() != "update transport.live.b: 13 is no limit" {
		t.Error(err)
	}
	if want := []liveSettings{{7, "one"}, {9, "one"}, {7, "one"}}; !reflect.DeepEqual(one, want) {
		t.Errorf("one: %v", one)
	}
	if _, live, rest := adopted.adopt(adopted); live != nil || rest != nil {
		t.Errorf("of nothing has changed %v, %v", live, rest)
	}
	fewer := testConfig(t, plugins, "transport \"live\" {}\ntransport \"http\" {}\n")
	if _, _, rest := adopted.adopt(fewer); !reflect.DeepEqual(rest, []string{"transport.http", "transport.live.b", "transport.live.place", "transport.websocket"}) {
		t.Errorf("blocks that come and go: %v", rest)
	}
}
