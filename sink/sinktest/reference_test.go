package sinktest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// memory is a sink in memory that keeps the contract, but for its fault.
type memory struct {
	fault string

	mu      sync.Mutex
	rows    []engine.Message
	streams map[string]Stream
	closed  bool
	meet    chan struct{}
}

func newMemory(fault string) *memory {
	return &memory{fault: fault, streams: make(map[string]Stream), meet: make(chan struct{}, 1)}
}

func (s *memory) target() Target {
	return Target{
		Sink: s, Rows: s.readRows, Streams: s.readStreams, Remembers: true, Counts: true, Resumes: true,
	}
}

func (s *memory) readRows(context.Context) ([]engine.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := slices.Clone(s.rows)
	if s.fault != "order" {
		slices.SortStableFunc(rows, func(a, b engine.Message) int {
			return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Client, b.Client))
		})
	}
	return rows, nil
}

func (s *memory) readStreams(context.Context) (map[string]Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]Stream)
	for id, stream := range s.streams {
		all[id] = stream
	}
	return all, nil
}

// Read is that of a [sink.Reader].
func (s *memory) Read(ctx context.Context, id string, last int) (sink.Stored, error) {
	var stored sink.Stored
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && s.fault != "reads after close" {
		return stored, errors.New("is closed")
	}
	if err := ctx.Err(); err != nil && s.fault != "reads without ctx" {
		return stored, err
	}
	if row, ok := s.streams[id]; ok && s.fault != "reads no rows of streams" {
		stored.Stream = &sink.StreamRow{
			ID: id, Status: "open", Messages: row.Messages, FirstSeq: row.FirstSeq, LastSeq: row.LastSeq,
			FirstAt: row.FirstAt, LastAt: row.LastAt, EndedAt: row.EndedAt, EndReason: string(row.Reason),
			EndCode: row.Code, EndData: row.Data,
		}
		if row.Done {
			stored.Stream.Status = "done"
		}
	} else if s.fault == "reads no unknown stream" {
		return stored, errors.New("no such stream")
	}
	bytes := 0
	for k := range s.rows {
		m := s.rows[len(s.rows)-1-k]
		if s.fault == "reads oldest first" {
			m = s.rows[k]
		}
		if m.ID != id && (s.fault != "reads without case" || !strings.EqualFold(m.ID, id)) {
			continue
		}
		if bytes += len(m.Data); s.fault != "reads without bounds" &&
			(len(stored.Messages) == sink.MaxRead || bytes > sink.MaxReadBytes && len(stored.Messages) > 0) ||
			len(stored.Messages) == last && s.fault != "reads all" {
			break
		}
		row := sink.StoredMessage{
			ID: m.ID, Seq: m.Seq, Client: m.Client, Op: m.Op, Code: m.Code, SentAt: m.Time, ReceivedAt: m.Received,
			Remote: m.Remote, Sender: m.Sender, Data: string(m.Data),
		}
		if s.fault == "reads without data" {
			row.Data = ""
		}
		stored.Messages = append(stored.Messages, row)
	}
	return stored, nil
}

func (s *memory) Close() error {
	s.closed = true
	if s.fault == "close loses" {
		s.rows = nil
	}
	if s.fault == "close fails" {
		return errors.New("cannot close")
	}
	return nil
}

func (s *memory) Write(ctx context.Context, batches []engine.Batch) ([]engine.Result, error) {
	if s.fault == "one at a time" && s.collide() {
		return nil, nil
	}
	if s.fault == "ignores ctx" && ctx.Err() != nil {
		return nil, engine.Permanent(ctx.Err())
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Either all is stored or nothing.
	before, streams := len(s.rows), make(map[string]Stream)
	for id, stream := range s.streams {
		streams[id] = stream
	}
	results, err := s.store(batches)
	if err != nil {
		s.rows, s.streams = s.rows[:before], streams
	}
	switch {
	case err != nil:
		return nil, err
	case s.fault == "short results" && len(results) > 1:
		return results[1:], nil
	case s.fault == "loses on error" && len(batches) == 0:
		return nil, errors.New("nothing to do")
	}
	return results, nil
}

// collide tells whether another Write is under way, for which it waits a little.
func (s *memory) collide() bool {
	select {
	case s.meet <- struct{}{}:
	case <-s.meet:
		return true
	}
	timer := time.NewTimer(20 * time.Millisecond)
	defer timer.Stop()
	<-timer.C
	select {
	case <-s.meet:
		return false
	default:
		return true
	}
}

func (s *memory) store(batches []engine.Batch) ([]engine.Result, error) {
	results := make([]engine.Result, len(batches))
	for i := range batches {
		b := &batches[i]
		for j := range b.Messages {
			duplicate, err := s.add(b, &b.Messages[j])
			if err != nil {
				return nil, s.reject(i, j, err)
			}
			if duplicate && s.fault != "no duplicates" {
				results[i].Duplicates++
			}
		}
		s.end(b)
		results[i].Rows = s.streams[b.ID].Messages
		if s.fault == "rows of the batch" {
			results[i].Rows = int64(len(b.Messages))
		}
		results[i].LastSeq = s.last(b)
		if s.fault == "changes the batch" && len(b.Messages) > 1 {
			slices.SortFunc(b.Messages, func(x, y engine.Message) int { return cmp.Compare(x.Seq, y.Seq) })
		}
	}
	return results, nil
}

func (s *memory) reject(i, j int, err error) error {
	switch s.fault {
	case "wrong reject":
		return engine.Reject(i, j+1, err)
	case "wrong batch":
		return engine.Reject(0, j, err)
	case "transient refusal":
		return errors.New("cannot")
	case "conflict is only permanent":
		return engine.Permanent(errors.New("cannot"))
	}
	return engine.Reject(i, j, err)
}

func (s *memory) key(m *engine.Message) engine.Message {
	k := engine.Message{ID: m.ID, Seq: m.Seq, Client: m.Client}
	switch s.fault {
	case "ids without case":
		k.ID = strings.ToLower(k.ID)
	case "trims":
		k.ID = strings.TrimRight(k.ID, " ")
	case "key without client":
		k.Client = ""
	}
	return k
}

func (s *memory) add(b *engine.Batch, m *engine.Message) (duplicate bool, err error) {
	if !utf8.Valid(m.Data) {
		return false, engine.Permanent(errors.New("no UTF-8"))
	}
	row := *m
	row.ID = strings.Clone(row.ID)
	if s.fault != "keeps memory" {
		row.Data = bytes.Clone(row.Data)
	}
	if len(row.Data) == 0 {
		row.Data = []byte("null")
	}
	if row.Time.IsZero() && s.fault != "no time" {
		row.Time = row.Received
	}
	switch s.fault {
	case "loses the last":
		if m == &b.Messages[len(b.Messages)-1] {
			return false, nil
		}
	case "cuts data":
		row.Data = row.Data[:min(len(row.Data), 1<<20)]
	case "rewrites data":
		row.Data = bytes.ReplaceAll(row.Data, []byte(" "), nil)
	case "short codes":
		row.Code = int64(int32(row.Code))
	}
	for k := range s.rows {
		old := &s.rows[k]
		a, b := s.key(old), s.key(m)
		if a.ID != b.ID || a.Seq != b.Seq || a.Client != b.Client || s.fault == "stores twice" {
			continue
		}
		same := old.Op == m.Op && old.Code == m.Code && bytes.Equal(old.Data, row.Data)
		switch {
		case s.fault == "fails on duplicates":
			return false, engine.Permanent(errors.New("duplicate key"))
		case s.fault == "swallows conflicts", same:
			stream := s.streams[m.ID]
			if stream.Done && !m.Received.Before(stream.EndedAt) && s.fault != "replay opens nothing" {
				s.reopen(m.ID)
			}
			return true, nil
		case s.fault == "overwrites":
			*old = row
			return true, nil
		}
		return false, engine.ErrConflict
	}
	if s.fault == "order" {
		s.rows = slices.Insert(s.rows, 0, row)
	} else {
		s.rows = append(s.rows, row)
	}
	s.count(m)
	return false, nil
}

func (s *memory) count(m *engine.Message) {
	stream := s.streams[m.ID]
	if stream.Messages == 0 || m.Seq < stream.FirstSeq {
		stream.FirstSeq = m.Seq
	}
	if stream.Messages == 0 || m.Received.Before(stream.FirstAt) {
		stream.FirstAt = m.Received
	}
	if m.Seq > stream.LastSeq || s.fault == "last is latest" {
		stream.LastSeq = m.Seq
	}
	if m.Received.After(stream.LastAt) {
		stream.LastAt = m.Received
	}
	stream.Messages++
	s.streams[m.ID] = stream
	if !m.Replayed || !stream.Done || !m.Received.Before(stream.EndedAt) || s.fault == "letters open" {
		s.reopen(m.ID)
	}
}

func (s *memory) reopen(id string) {
	stream := s.streams[id]
	if s.fault != "never opens again" {
		stream.Done, stream.Reason, stream.Code, stream.Data, stream.EndedAt = false, "", 0, "", time.Time{}
	}
	s.streams[id] = stream
}

func (s *memory) end(b *engine.Batch) {
	stream := s.streams[b.ID]
	if b.End == "" || s.fault == "no ends" || s.fault == "ends need messages" && len(b.Messages) == 0 {
		return
	}
	if stream.Done && b.End == engine.EndDisconnect && s.fault != "disconnect wins" {
		return
	}
	at := b.Ended
	if s.fault == "end moves" || s.fault == "ended when written" && b.Final == nil && !stream.Done {
		at = time.Now()
	}
	stream.Done, stream.Reason, stream.EndedAt = true, b.End, at
	if b.Final != nil && s.fault != "no final" {
		stream.Code, stream.Data = b.Final.Code, string(b.Final.Data)
	}
	s.streams[b.ID] = stream
}

func (s *memory) last(b *engine.Batch) int64 {
	last := int64(0)
	for k := range s.rows {
		m := &s.rows[k]
		if m.ID == b.ID && (m.Client == b.Resume || s.fault == "last of any client") &&
			(m.Seq < engine.FirstOwnSeq || s.fault == "last of the engine's") {
			last = max(last, m.Seq)
		}
	}
	return last
}

// broken says yes to everything and stores nothing.
type broken struct{ *memory }

func (broken) Write(context.Context, []engine.Batch) ([]engine.Result, error) { return nil, nil }
