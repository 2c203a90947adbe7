package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/transport"
)

// serve is the daemon of a drill: the configured one, elsewhere.
func (c *drillCommand) serve(a *app) error {
	var place drillPlace
	if err := json.Unmarshal([]byte(c.Serve), &place); err != nil {
		return wrong(fmt.Errorf("--serve is not for people: %w", err))
	}
	cfg, name, err := c.load(a.plugins)
	if err != nil {
		return err
	}
	place.apply(cfg)
	cfg.transports = []transportConfig{place.transport(a.plugins)}
	log := newLogger(cfg.core, a.stderr)
	ctx, signals := watchSignals(context.Background(), log.Logger)
	defer signals.stop()
	d := &daemon{
		cfg: cfg, source: name, log: log, hup: signals.hup,
		load: func() (*config, error) { return nil, errors.New("a drill does not reload") },
	}
	if err := d.run(ctx); err != nil {
		log.Error("stopped by an error", "error", hclx.Redact(err.Error(), cfg.secrets()...))
		return &exitError{statusOf(err), errLogged}
	}
	return nil
}

// transport is the only way into the daemon of a drill: a plain websocket on the
// loopback address, whatever is configured.
func (p *drillPlace) transport(plugins *plugins) transportConfig {
	k := plugins.transports[0]
	c := k.defaults().(*webSocketConfig)
	c.Listen = p.Listen
	if p.Spool {
		c.Ack = transport.AckSpooled
	}
	return transportConfig{transportKind: k, config: c}
}
