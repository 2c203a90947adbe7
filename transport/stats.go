package transport

import "sync/atomic"

// errorCodes are all codes of error answers, in the order of the documentation; the
// last two are those of HTTP alone.
var errorCodes = [...]string{
	codeBadJSON, codeBadMessage, codeUnknownOp, codeRejected,
	codeConflict, codeTooManyStreams, codeOverloaded, codeUnsupported, codeForbidden,
	codeUnavailable, codeUndelivered,
}

// WebSocketStats are a WebSocket's counters, since it was made, and gauges, as
// they are now.
type WebSocketStats struct {
	Connections int               // open now
	Accepted    uint64            // connections that were upgraded
	Refused     uint64            // requests that were not
	Refusals    map[string]uint64 // those of them that were not let in, by reason; every reason is there
	Frames      uint64            // that were received
	Messages    uint64            // that the router accepted, control messages too

	Errors map[string]uint64 // error answers by their code; every code is there

	CutSlow   uint64 // connections cut because the client did not read its answers
	CutSilent uint64 // connections cut because the client answered no ping

	CutUnfinished uint64 // connections closed because a message took longer than FrameTimeout
	CutFlooding   uint64 // connections closed because of too many fragments or control frames

	Held int // streams that have a sender, of all transports that share the Holds
}

// counters are what Stats is made of. Frames and messages are those of connections
// that are gone: the others count their own.
type counters struct {
	accepted, refused, frames, messages, slow, silent, unfinished, flooding atomic.Uint64

	errorCounters
}

// errorCounters count error answers by their code.
type errorCounters [len(errorCodes)]atomic.Uint64

func (c *errorCounters) failed(code string) {
	for i, known := range errorCodes {
		if known == code {
			c[i].Add(1)
		}
	}
}

func (c *errorCounters) byCode(codes []string) map[string]uint64 {
	m := make(map[string]uint64, len(codes))
	for i, code := range codes {
		m[code] = c[i].Load()
	}
	return m
}

// webSocketCodes are those that a websocket client may hear.
var webSocketCodes = errorCodes[:len(errorCodes)-2]

// Stats may be called at any time.
func (w *WebSocket) Stats() WebSocketStats {
	w.mu.Lock()
	open := len(w.conns)
	frames, messages := w.stats.frames.Load(), w.stats.messages.Load()
	for c := range w.conns {
		frames += c.received.Load()
		messages += c.taken.Load()
	}
	w.mu.Unlock()
	s := WebSocketStats{
		Connections: open,
		Accepted:    w.stats.accepted.Load(),
		Refused:     w.stats.refused.Load(),
		Refusals:    w.gate.refusals(),
		Frames:      frames,
		Messages:    messages,
		Errors:      w.stats.byCode(webSocketCodes),
		CutSlow:     w.stats.slow.Load(),
		CutSilent:   w.stats.silent.Load(),

		CutUnfinished: w.stats.unfinished.Load(),
		CutFlooding:   w.stats.flooding.Load(),
	}
	if w.holds != nil {
		s.Held = w.holds.len()
	}
	return s
}
