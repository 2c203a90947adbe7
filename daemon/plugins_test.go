package daemon

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/hcl/v2"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/sink/sqlite"
)

func testPlugins(t testing.TB, opts ...Option) *plugins {
	t.Helper()
	p, err := newPlugins(opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func testConfig(t testing.TB, p *plugins, src string, sets ...string) *config {
	t.Helper()
	cfg, err := p.load(hclx.Input{Name: "config.hcl", Text: []byte(src), Sets: sets})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// The decoder panics on tags and types that it cannot use. Here it meets those of
// every plugin.
func TestEveryPluginsSettingsCanBeDecoded(t *testing.T) {
	p := testPlugins(t)
	configs := map[string]any{}
	for _, k := range p.sinks {
		configs["sink."+k.name] = k.defaults()
	}
	for _, k := range p.transports {
		configs["transport."+k.name] = k.defaults()
	}
	for path, config := range configs {
		t.Run(path, func(t *testing.T) {
			text := hclx.WriteWith(nil, "", "", config, hclx.Secrets(config)...)
			source := hclx.Parse(hclx.Input{Name: "x.hcl", Text: []byte(text)}, p.vocabulary())
			again := reflect.New(reflect.TypeOf(config).Elem()).Interface()
			source.Decode(path, source.Body(), hcl.Range{}, again)
			if m := source.Mistakes(); m != nil {
				t.Fatalf("its own settings are not taken:\n%v", m)
			}
			if changed := hclx.Changed(path, config, again); len(changed) > 0 {
				t.Errorf("written and read, these differ: %v", changed)
			}
		})
	}
}

func TestTwoPluginsOfOneName(t *testing.T) {
	_, err := newPlugins([]Option{WithSink("sqlite", sqlite.DefaultConfig, sqlite.Open)})
	if err == nil || !strings.Contains(err.Error(), `sink "sqlite"`) {
		t.Errorf("a second sink sqlite: %v", err)
	}
	_, err = newPlugins([]Option{WithSink("a b", sqlite.DefaultConfig, sqlite.Open)})
	if err == nil {
		t.Error("a name with a space was taken")
	}
}

// richConfig has what a custom plugin may have and no own plugin does.
type richConfig struct {
	Ratio float64    `hcl:"ratio,optional"`
	TLS   tlsConfig  `hcl:"tls,block"`
	Auth  *tlsConfig `hcl:"auth,block"`
}

type tlsConfig struct {
	Cert string `hcl:"cert,optional"`
}

func (c richConfig) Validate() error {
	return nil
}

func TestCustomPlugin(t *testing.T) {
	with := WithSink("rich", func() richConfig { return richConfig{Ratio: 0.5} },
		func(context.Context, richConfig, hclog.Logger) (*sqlite.Sink, error) { return nil, nil })
	p := testPlugins(t, with)

	cfg := testConfig(t, p, `sink "rich" {
  tls { cert = "a.pem" }
}`, "sink.rich.ratio=0.25")
	got := cfg.sink.config.(*richConfig)
	if got.Ratio != 0.25 || got.TLS.Cert != "a.pem" || got.Auth != nil {
		t.Errorf("got %+v", got)
	}
	cfg = testConfig(t, p, `sink "rich" {}`, "sink.rich.auth.cert=b.pem")
	if got := cfg.sink.config.(*richConfig); got.Auth == nil || got.Auth.Cert != "b.pem" {
		t.Errorf("got %+v", got)
	}
	if text := cfg.hcl(); !strings.Contains(text, "auth {\n    cert = \"b.pem\"\n  }") {
		t.Errorf("the block auth is not written:\n%s", text)
	}
	_, err := p.load(hclx.Input{Name: "config.hcl", Text: []byte(`sink "rich" {
  ratio = "half"
  tls { crt = "a.pem" }
}`)})
	for _, want := range []string{"config.hcl:2:11: ratio:", `Did you mean "cert"?`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
}
