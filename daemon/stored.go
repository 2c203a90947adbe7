package daemon

import (
	"context"
	"errors"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// These are told where a sink cannot be asked for what it has.
var (
	errUnreadable = errors.New("this sink cannot be read")
	errNotOpen    = errors.New("the sink is not open yet")
)

// stored asks the sink for a stream and its last messages.
func (p *parts) stored(ctx context.Context, id string, messages int) (*api.StoredStream, []api.StoredMessage, error) {
	from := p.sink
	if late, is := from.(*lateSink); is {
		opened := late.sink.Load()
		if opened == nil {
			return nil, nil, errNotOpen
		}
		from = *opened
	}
	reader, ok := from.(sink.Reader)
	if !ok {
		return nil, nil, errUnreadable
	}
	found, err := reader.Read(ctx, id, messages)
	if err != nil {
		return nil, nil, err
	}
	all := make([]api.StoredMessage, len(found.Messages))
	for i, m := range found.Messages {
		all[i] = api.StoredMessage{
			ID: m.ID, Seq: m.Seq, Client: m.Client, Op: m.Op, Code: m.Code,
			SentAt: api.At(m.SentAt), ReceivedAt: api.At(m.ReceivedAt),
			Remote: m.Remote, Sender: m.Sender, Data: m.Data,
		}
	}
	return storedStream(found.Stream), all, nil
}

// storedStream is the row of a stream. The end of one that has none is null.
func storedStream(s *sink.StreamRow) *api.StoredStream {
	if s == nil {
		return nil
	}
	row := &api.StoredStream{
		Status: s.Status, Messages: s.Messages, FirstSeq: s.FirstSeq, LastSeq: s.LastSeq,
		FirstAt: api.At(s.FirstAt), LastAt: api.At(s.LastAt), EndedAt: api.At(s.EndedAt),
	}
	if s.EndReason != "" {
		row.EndReason = &s.EndReason
	}
	if s.EndReason == string(engine.EndOp) {
		row.EndCode, row.EndData = &s.EndCode, &s.EndData
	}
	return row
}
