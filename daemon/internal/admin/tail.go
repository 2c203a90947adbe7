package admin

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/api"
)

// tailBounds are what waits for the reader of a tail, and tailTimeout how long it
// may pause, as one does who looks at it page by page.
var tailBounds = Bounds{Messages: 10_000, Bytes: 4 << 20, Data: 1 << 20}

const tailTimeout = 10 * time.Minute

// getTail writes messages as they are accepted, one a line, until the reader goes
// away.
func (s *Server) getTail(d *Daemon, w http.ResponseWriter, r *http.Request) {
	if d.Tap == nil {
		starting(w)
		return
	}
	out, ok := s.last(s.tails, w, r, "application/x-ndjson", tailTimeout)
	if !ok {
		return
	}
	defer out.close()
	b := tailBounds
	b.ID = r.URL.Query().Get("id")
	look := d.Tap.Look(b)
	defer look.Close()
	if out.send(nil) != nil { // the header
		return
	}
	for {
		select {
		case <-look.Ready():
		case <-out.gone:
			return
		}
		if out.tail(look.Take()) != nil {
			return
		}
	}
}

// tailPiece is about how much of a tail is written at once, so that it soon sees
// the end.
const tailPiece = 64 << 10

// tail writes what was seen, and what was dropped after it.
func (l *lasting) tail(seen []Seen, dropped uint64) error {
	var lines bytes.Buffer
	for i := range seen {
		lines.Write(encode(message(&seen[i])))
		if lines.Len() >= tailPiece {
			if err := l.send(lines.Bytes()); err != nil {
				return err
			}
			lines.Reset()
		}
	}
	if dropped > 0 {
		lines.Write(encode(map[string]uint64{"dropped": dropped}))
	}
	return l.send(lines.Bytes())
}

// message is what was seen, as JSON has it.
func message(m *Seen) api.Message {
	return api.Message{
		ID: m.ID, Seq: m.Seq, Client: m.Client, Op: m.Op, Code: m.Code,
		SentAt: api.At(m.Time), ReceivedAt: api.At(m.Received), Remote: m.Remote, Sender: m.Sender,
		Data: payload(m.Data), Cut: m.Cut,
	}
}

func messages(seen []Seen) []api.Message {
	all := make([]api.Message, len(seen))
	for i := range seen {
		all[i] = message(&seen[i])
	}
	return all
}

// payload is data as JSON: as a text, where it is none.
func payload(data []byte) json.RawMessage {
	switch {
	case len(data) == 0:
		return nil
	case json.Valid(data):
		return data
	}
	text, _ := json.Marshal(string(data)) // strings never fail
	return text
}
