package daemon

import (
	"context"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/metrics"
)

// metricsHandler answers /metrics: with the figures of the parts, and of the process
// itself. It looks at no single stream.
func (d *daemon) metricsHandler(p *parts) http.Handler {
	v := currentVersion()
	all := []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		metrics.Build(v.Version, v.Commit, v.Go),
		metrics.Ready(func() bool { return d.look(context.Background(), p, p.draining()).Readiness().Ready }),
		metrics.DeadLetters(p.letters),
		metrics.Sink(d.cfg.sink.name, p.sink),
	}
	if p.spool != nil {
		all = append(all, metrics.Spool(p.spool, p.engine))
	} else {
		all = append(all, metrics.Engine(p.engine))
	}
	var ways []any
	add := func(name string, t any) {
		switch t := t.(type) {
		case metrics.WebSocketStats:
			all = append(all, metrics.WebSocket(name, t))
		case metrics.HTTPStats:
			all = append(all, metrics.HTTP(name, t))
		case metrics.WebSocketClientStats:
			all = append(all, metrics.WebSocketClient(name, t))
		case metrics.NATSStats:
			all = append(all, metrics.NATS(name, t))
		}
		ways = append(ways, t)
	}
	for _, t := range p.transports {
		add(strings.TrimPrefix(t.name, "transport."), t.Transport)
	}
	if p.messages != nil {
		add("admin", p.messages)
	}
	all = append(all, metrics.Rejected(ways...))
	registry := prometheus.NewRegistry()
	registry.MustRegister(all...)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:            d.log.Named("metrics").StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
	})
}

// draining tells whether what the transports hand their messages to takes no more.
func (p *parts) draining() bool {
	if p.spool != nil {
		return p.spool.Health().Draining
	}
	return p.engine.Health().Draining
}

// Unwrap gives the sink that is open; nil: none yet.
func (s *lateSink) Unwrap() engine.Sink {
	if sink := s.sink.Load(); sink != nil {
		return *sink
	}
	return nil
}
