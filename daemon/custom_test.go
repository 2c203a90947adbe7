package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ingestd/ingestd/daemon/internal/hclx"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// careless is a plugin whose errors quote its secret.
type careless struct {
	Token engine.Secret `hcl:"token,optional"`
	Host  string        `hcl:"host,optional"`
}

func (c careless) Validate() error {
	return errors.Join(
		errors.New("cannot use "+string(c.Token)),
		&engine.OptionError{Option: "host", Problem: "does not know " + string(c.Token)},
	)
}

func openCareless(context.Context, careless, hclog.Logger) (*testSink, error) { return nil, nil }

// The terminal that shows a mistake does not obey what is in the file, and no
// secret is shown, even where a plugin gives it away.
func TestWhatMistakesShow(t *testing.T) {
	p := testPlugins(t, WithSink("careless", func() careless { return careless{} }, openCareless))
	_, err := p.load(hclx.Input{Name: "config.hcl", Text: []byte("sink \"careless\" {\n  token = \"marker\"\n  host = \"\x1b[2J\"\n}\n")})
	if err == nil {
		t.Fatal("no mistakes")
	}
	if text := err.Error(); strings.Contains(text, "marker") || strings.Contains(text, "\x1b") || strings.Count(text, "********") != 2 {
		t.Errorf("it shows %q", text)
	}
}
