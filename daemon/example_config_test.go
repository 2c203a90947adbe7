package daemon

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ingestd/ingestd"
	"github.com/ingestd/ingestd/daemon/internal/hclx"
)

// The example in the repository is the default configuration, with every setting.
func TestExampleIsTheDefaults(t *testing.T) {
	p := testPlugins(t)
	defaults := testConfig(t, p, "")
	example := testConfig(t, p, ingestd.ExampleConfig())
	if got, want := example.hcl(), defaults.hcl(); got != want {
		t.Errorf("config.hcl means\n%s\nthe defaults are\n%s", got, want)
	}
	for _, path := range hclx.Paths("", defaultCore()) {
		name := path[strings.LastIndex(path, ".")+1:]
		if !regexp.MustCompile(`(?m)^ *` + name + ` +=`).MatchString(ingestd.ExampleConfig()) {
			t.Errorf("config.hcl does not show %s", path)
		}
	}
}

// So are the sinks that it shows in comments.
func TestExampleOfOtherSinks(t *testing.T) {
	t.Setenv("INGEST_MYSQL_DSN", "user:password@tcp(host:3306)/database")
	p := testPlugins(t)
	uncommented := regexp.MustCompile(`(?m)^# ?`).ReplaceAllString
	for _, name := range []string{"mysql", "stdout", "nats"} {
		_, block, ok := strings.Cut(ingestd.ExampleConfig(), "# sink \""+name+"\"")
		block, _, closed := strings.Cut(block, "\n# }")
		if !ok || !closed {
			t.Fatalf("config.hcl does not show the sink %s", name)
		}
		cfg := testConfig(t, p, "sink \""+name+"\""+uncommented(block, "")+"\n}")
		shown := cfg.hcl()
		kind, _ := p.sink(name)
		defaults := kind.defaults()
		for _, path := range hclx.Changed("", defaults, cfg.sink.config) {
			if path != "dsn" {
				t.Errorf("%s of the sink %s is not the default:\n%s", path, name, shown)
			}
		}
		for _, path := range hclx.Paths("", defaults) {
			if !strings.Contains(block, path) && !strings.HasPrefix(path, "tls.") {
				t.Errorf("config.hcl does not show %s of the sink %s", path, name)
			}
		}
	}
}

// So is the HTTP server that it shows in comments.
func TestExampleOfHTTP(t *testing.T) {
	p := testPlugins(t)
	_, block, ok := strings.Cut(ingestd.ExampleConfig(), "# transport \"http\"")
	block, _, closed := strings.Cut(block, "\n# }")
	if !ok || !closed {
		t.Fatal("config.hcl does not show it")
	}
	cfg := testConfig(t, p, "transport \"http\""+regexp.MustCompile(`(?m)^# ?`).ReplaceAllString(block, "")+"\n}")
	kind, _ := p.transport("http")
	if changed := hclx.Changed("", kind.defaults(), cfg.transports[0].config); len(changed) > 0 {
		t.Errorf("these are not the defaults: %v", changed)
	}
	websocket, _ := p.transport("websocket")
	common := hclx.Paths("", websocket.defaults())
	for _, path := range hclx.Paths("", kind.defaults()) {
		if !strings.Contains(block, path) && !slices.Contains(common, path) {
			t.Errorf("config.hcl does not show %s", path)
		}
	}
}

// So is the transport that reads a stream, but for its connection, which is that of the
// sink.
func TestExampleOfNATS(t *testing.T) {
	p := testPlugins(t)
	_, block, _ := strings.Cut(ingestd.ExampleConfig(), "# transport \"nats\"")
	block, _, closed := strings.Cut(block, "\n# }")
	if !closed {
		t.Fatal("config.hcl does not show it")
	}
	cfg := testConfig(t, p, "transport \"nats\""+regexp.MustCompile(`(?m)^# ?`).ReplaceAllString(block, "")+"\n}")
	kind, _ := p.transport("nats")
	if changed := hclx.Changed("", kind.defaults(), cfg.transports[0].config); len(changed) > 0 {
		t.Errorf("these are not the defaults: %v", changed)
	}
	sink, _ := p.sink("nats")
	common := hclx.Paths("", sink.defaults())
	for _, path := range hclx.Paths("", kind.defaults()) {
		if !strings.Contains(block, path) && !slices.Contains(common, path) {
			t.Errorf("config.hcl does not show %s", path)
		}
	}
}

// So are the blocks of servers that it shows in comments, but for what must be given.
func TestExampleOfServers(t *testing.T) {
	t.Setenv("INGEST_TOKEN", "0123456789abcdef")
	p := testPlugins(t)
	blocks := ""
	for _, name := range []string{"tls", "auth"} {
		_, block, ok := strings.Cut(ingestd.ExampleConfig(), "\n  # "+name+" {\n")
		block, _, closed := strings.Cut(block, "\n  # }\n")
		if !ok || !closed {
			t.Fatalf("config.hcl does not show the block %s", name)
		}
		blocks += name + " {\n" + regexp.MustCompile(`(?m)^  # ?`).ReplaceAllString(block, "") + "\n}\n"
	}
	cfg := testConfig(t, p, "transport \"websocket\" {\n"+blocks+"}\n")
	least := testConfig(t, p, "", "transport.websocket.tls.cert=cert.pem", "transport.websocket.tls.key=key.pem",
		"transport.websocket.auth.file=tokens", "transport.websocket.auth.token.edge-1.value=0123456789abcdef")
	if got, want := cfg.hcl(), least.hcl(); got != want {
		t.Errorf("config.hcl means\n%s\nthe defaults are\n%s", got, want)
	}
	kind, _ := p.transport("websocket")
	for _, path := range hclx.Paths("", kind.defaults()) {
		if head, _, nested := strings.Cut(path, "."); nested && (head == "tls" || head == "auth") {
			name := path[strings.LastIndex(path, ".")+1:]
			if !regexp.MustCompile(`(?m)^ *` + name + ` +=`).MatchString(blocks) {
				t.Errorf("config.hcl does not show %s", path)
			}
		}
	}
	for _, path := range hclx.Paths("", kind.defaults()) {
		if !strings.Contains(path, ".") && !regexp.MustCompile(`(?m)^ *`+path+` +=`).MatchString(ingestd.ExampleConfig()) {
			t.Errorf("config.hcl does not show %s", path)
		}
	}
}

// So is the client that it shows in comments, but for what must be given.
func TestExampleOfFeeds(t *testing.T) {
	t.Setenv("FEED_URL", "wss://feed.example.com/v1")
	t.Setenv("FEED_AUTHORIZATION", "Bearer token")
	p := testPlugins(t)
	_, block, ok := strings.Cut(ingestd.ExampleConfig(), "# transport \"websocket_client\"")
	block, _, closed := strings.Cut(block, "\n# }\n")
	if !ok || !closed {
		t.Fatal("config.hcl does not show it")
	}
	const name = "transport \"websocket_client\""
	block = regexp.MustCompile(`(?m)^# ?`).ReplaceAllString(block, "")
	cfg := testConfig(t, p, name+block+"\n}")
	const at = "transport.websocket_client."
	least := testConfig(t, p, name+" {\n tls {}\n decode {\n id = [\"data.device.serial\", \"serial\"]\n }\n}",
		at+"url=wss://feed.example.com/v1", at+"header.Authorization.value=Bearer token")
	if got, want := cfg.hcl(), least.hcl(); got != want {
		t.Errorf("config.hcl means\n%s\nthe defaults are\n%s", got, want)
	}
	kind, _ := p.transport("websocket_client")
	for _, path := range hclx.Paths("", kind.defaults()) {
		if name := path[strings.LastIndex(path, ".")+1:]; !regexp.MustCompile(`(?m)^ *` + name + ` +=`).MatchString(block) {
			t.Errorf("config.hcl does not show %s", path)
		}
	}
}
