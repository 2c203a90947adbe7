package jet

import (
	"encoding/binary"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// Header tells carriers of one partition apart.
//
// A flow is the carriers that one sink has published in one partition. n is the
// number of a publish in its flow: greater with each, unless the same bytes are
// published again. What was given up is written anew with a greater n. So a carrier
// whose n is not greater than those of its flow before it in the log was given up,
// and has turned up late: who reads drops it, and misses nothing.
type Header struct {
	Flow uint64
	N    uint64
}

const (
	magic   = "ingc"
	version = 1
	flowAt  = len(magic) + 1
	numAt   = flowAt + 8
	// HeaderLen is the length of a carrier without batches.
	HeaderLen = numAt + 8
)

// The flags of a batch and of a message.
const (
	endsDone = 1 << iota
	endsDisconnect
	hasFinal
	batchFlags = 1<<iota - 1
)

const (
	newClient = 1 << iota
	newOp
	newRemote
	newSender
	hasCode
	hasTime
	hasMore
	messageFlags = 1<<iota - 1

	replayed  = 1
	moreFlags = 1
)

// epoch is what the first time in a carrier is compared with.
var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// AppendCarrier appends to b a carrier of batches, which are of one partition. What
// is not carried is the Resume of a batch, Tag and Pos.
func AppendCarrier(b []byte, h Header, batches []engine.Batch) []byte {
	b = append(b, magic...)
	b = append(b, version)
	b = binary.BigEndian.AppendUint64(b, h.Flow)
	b = binary.BigEndian.AppendUint64(b, h.N)
	end := engine.Message{Received: epoch} // stands in for the message before
	prev := &end
	for i := range batches {
		batch := &batches[i]
		if len(batch.Messages) == 0 && batch.End == "" {
			continue
		}
		b = appendText(b, batch.ID)
		var flags byte
		if batch.End != "" {
			flags = endsDone
			if batch.End == engine.EndDisconnect {
				flags = endsDisconnect
			}
			if batch.Final != nil {
				flags |= hasFinal
			}
		}
		b = append(b, flags)
		b = binary.AppendUvarint(b, uint64(len(batch.Messages)))
		for j := range batch.Messages {
			m := &batch.Messages[j]
			b = appendMessage(b, prev, m, m.Received)
			prev = m
		}
		if batch.End == "" {
			continue
		}
		ended := ended(batch)
		b = appendTime(b, prev.Received, ended)
		end = *prev
		end.Received = ended
		prev = &end
		if batch.Final != nil {
			b = appendMessage(b, prev, batch.Final, ended)
			end = *batch.Final
			end.Received = ended
		}
	}
	return b
}

// SetNumber changes the number of a carrier.
func SetNumber(carrier []byte, n uint64) {
	binary.BigEndian.PutUint64(carrier[numAt:], n)
}

// ended is when the stream ended. Who makes batches by hand may have left it out.
func ended(b *engine.Batch) time.Time {
	switch {
	case !b.Ended.IsZero():
		return b.Ended
	case b.Final != nil:
		return b.Final.Received
	}
	return time.Time{}
}

// appendMessage appends m, received at that time.
func appendMessage(b []byte, prev, m *engine.Message, received time.Time) []byte {
	at := len(b)
	b = append(b, 0)
	var flags byte
	if m.Replayed {
		flags |= hasMore
		b = append(b, replayed)
	}
	if m.Client != prev.Client {
		flags |= newClient
		b = appendText(b, m.Client)
	}
	if m.Op != prev.Op {
		flags |= newOp
		b = appendText(b, m.Op)
	}
	if m.Remote != prev.Remote {
		flags |= newRemote
		b = appendText(b, m.Remote)
	}
	if m.Sender != prev.Sender {
		flags |= newSender
		b = appendText(b, m.Sender)
	}
	b = binary.AppendVarint(b, m.Seq-prev.Seq)
	if m.Code != 0 {
		flags |= hasCode
		b = binary.AppendVarint(b, m.Code)
	}
	b = appendTime(b, prev.Received, received)
	if !m.Time.IsZero() {
		flags |= hasTime
		b = appendTime(b, received, m.Time)
	}
	b[at] = flags
	b = binary.AppendUvarint(b, uint64(len(m.Data)))
	return append(b, m.Data...)
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendTime appends the way from one time to another.
func appendTime(b []byte, from, to time.Time) []byte {
	seconds := to.Unix() - from.Unix()
	nanos := int64(to.Nanosecond() - from.Nanosecond())
	if nanos == 0 {
		return binary.AppendVarint(b, seconds<<1|1)
	}
	b = binary.AppendVarint(b, seconds<<1)
	return binary.AppendVarint(b, nanos)
}
