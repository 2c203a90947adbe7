package engine

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
	"unicode/utf8"
)

// leave keeps d, and what else its lane has, for the end of the drain: it could not
// be stored in time.
func (e *Engine) leave(d *delivery) {
	e.leavingMu.Lock()
	e.leaving = append(e.leaving, d)
	e.leavingMu.Unlock()
	e.delivering.Done()
}

// giveUp writes what the drain could not store to a file, but for what has a lease, and
// settles it with ErrUndelivered. No lane is delivering any more.
func (e *Engine) giveUp() error {
	if len(e.leaving) == 0 {
		return nil
	}
	for _, d := range e.leaving {
		s := d.lane.shard
		s.mu.Lock()
		for n := d.lane.pop(); n != nil; n = d.lane.pop() {
			d.nodes = append(d.nodes, n)
			d.msgs = append(d.msgs, n.Message)
		}
		s.mu.Unlock()
	}
	keep, count, ends, leased := false, 0, 0, 0
	for _, d := range e.leaving {
		for i := range d.msgs {
			m := &d.msgs[i]
			keep = keep || kept(m)
			switch {
			case m.Lease != nil:
				leased++
			case m.Kind == Report:
				count++
			case kept(m): // a Done is no message, and is kept like one
				ends++
			}
		}
	}
	if leased > 0 {
		e.log.Info("messages with a lease are not stored: whoever has it next stores them", "count", leased)
	}
	path, err := "", error(nil)
	if keep {
		path, err = e.keepUndelivered()
	}
	for _, d := range e.leaving {
		e.settleUndelivered(d)
	}
	what := fmt.Sprintf("%d messages", count)
	if ends > 0 {
		what += fmt.Sprintf(" and %d ends of streams", ends)
	}
	switch {
	case err != nil:
		return fmt.Errorf("%s were not stored and are lost: keep them: %w", what, err)
	case !keep:
		return nil // there was only what nobody hears an answer to
	case path == "":
		return fmt.Errorf("%s: %w", what, ErrUndelivered)
	}
	return fmt.Errorf("%s: %w: they are kept in %s", what, ErrUndelivered, path)
}

// kept tells whether m belongs into the file: a control message but a Done asked for
// an answer that nobody hears now, a dead letter is kept where it is, and so is what
// has a lease.
func kept(m *Message) bool {
	return (m.Kind == Report || m.Kind == Done) && !m.Replayed && m.Lease == nil
}

func (e *Engine) settleUndelivered(d *delivery) {
	count, room := uint64(0), int64(0)
	for i, j := 0, 0; i < len(d.msgs); i = j {
		p := d.nodes[i].producer
		for j = i; j < len(d.msgs) && d.nodes[j].producer == p; j++ {
			if d.msgs[j].Kind == Report {
				count++
				room += cost(&d.msgs[j])
			}
		}
		if p != nil {
			p.Settled(d.msgs[i:j], Result{Rows: -1, LastSeq: -1}, ErrUndelivered)
		}
	}
	s := d.lane.shard
	s.mu.Lock()
	s.stats.Undelivered += count
	s.mu.Unlock()
	e.room.give(room)
}

// keepUndelivered writes the messages to a file of their own and gives its path;
// an empty one where there is to be none.
func (e *Engine) keepUndelivered() (path string, err error) {
	dir := e.opts.Load().DataDir
	if dir == "" || e.opts.Load().LeaveUndelivered {
		return "", nil
	}
	name := "undelivered-" + time.Now().UTC().Format("20060102T150405.000000Z") + ".ndjson"
	path = filepath.Join(dir, name)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	w := bufio.NewWriterSize(f, 64<<10)
	token := string(e.opts.Load().RestoreToken)
	for _, d := range e.leaving {
		for i := range d.msgs {
			writeUndelivered(w, &d.msgs[i], token)
		}
	}
	err = w.Flush()
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = syncDir(dir)
	}
	return path, err
}

// writeUndelivered writes m as the wire has it, with what the wire leaves to the
// server besides, so that nothing is lost and it can be sent again. Data stands
// as it was sent, byte for byte: the key finds it stored already if it was.
func writeUndelivered(w io.Writer, m *Message, token string) {
	if !kept(m) {
		return
	}
	op := m.Op
	if m.Kind == Done {
		op = "done"
	}
	b := make([]byte, 0, 256+len(m.Data))
	b = append(b, `{"op":`...)
	b = appendString(b, op)
	b = append(b, `,"id":`...)
	b = appendString(b, m.ID)
	if m.Seq != 0 { // a Done may have none
		b = append(b, `,"seq":`...)
		b = strconv.AppendInt(b, m.Seq, 10)
	}
	b = append(b, `,"client":`...)
	b = appendString(b, m.Client)
	b = append(b, `,"time":"`...)
	b = m.Time.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","received_at":"`...)
	b = m.Received.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","remote":`...)
	b = appendString(b, m.Remote)
	b = append(b, `,"sender":`...)
	b = appendString(b, m.Sender)
	b = append(b, `,"code":`...)
	b = strconv.AppendInt(b, m.Code, 10)
	if token != "" {
		b = append(b, `,"restore":`...)
		b = appendString(b, token)
	}
	switch {
	case len(m.Data) == 0:
	case json.Valid(m.Data) && utf8.Valid(m.Data) && !bytes.ContainsAny(m.Data, "\r\n"):
		b = append(b, `,"data":`...)
		b = append(b, m.Data...)
	default: // more than a line, or a host program's own
		b = append(b, `,"data_base64":"`...)
		b = base64.StdEncoding.AppendEncode(b, m.Data)
		b = append(b, '"')
	}
	_, _ = w.Write(append(b, "}\n"...)) // a bufio.Writer keeps its error for Flush
}

// appendString writes s as a JSON string. Op, Client, Remote and Sender of a host
// program may be anything; what is no UTF-8 in them is replaced.
func appendString(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string never fails
	return append(b, text...)
}
