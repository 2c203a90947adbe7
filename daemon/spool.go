package daemon

import (
	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport"
)

// checkSpool refuses a spool, which this version does not have.
func (l *loader) checkSpool(top *hclx.Block) {
	if l.cfg.Delivery.Spool {
		top.ReportOption(&engine.OptionError{Option: "delivery.spool", Problem: "this version has no spool; it must be false"})
	}
}

// checkAck refuses acks of a spool, which this version does not have.
func (l *loader) checkAck(t transportConfig, b *hclx.Block) {
	if ack, ok := hclx.Get[string](t.config, "ack"); ok && ack == transport.AckSpooled {
		b.ReportOption(&engine.OptionError{Option: "ack", Problem: `this version has no spool; use "stored"`})
	}
}
