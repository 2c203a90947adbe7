package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// errGone says that a stream is not the one that was opened: it was deleted, and
// another one of its name may have been made. Nothing that is known of it holds.
var errGone = errors.New("the stream is gone, or another one has its name")

// tail reads what a stream has of a subject, in order and each message once, and goes
// on with what comes. It has one request to JetStream at a time, so what is read
// and not handled is bounded by that.
//
// It reads by a consumer that JetStream forgets: without acks, in memory, for this
// tail alone. Its messages are numbered. Where a number is missing, or JetStream says
// nothing for a while, another consumer is made behind the last message that was
// handled: so none is left out or comes twice, whatever becomes of servers and
// connections.
type tail struct {
	nc      *natsgo.Conn
	js      jetstream.JetStream
	log     hclog.Logger
	pace    *pace
	stream  string
	created time.Time // when the stream was; another one of its name is errGone
	subject string    // may have wildcards

	next uint64 // the sequence to go on from; 0: from the last message of each subject

	// opened is called with what the stream is now, before a consumer is made. It may
	// change next. After an error it is called again.
	opened func(ctx context.Context, info *jetstream.StreamInfo) error

	// using is called with the name of each consumer.
	using func(name string)

	// read is called with each message. An error ends the tail.
	read func(ctx context.Context, m *natsgo.Msg, meta *natsgo.MsgMetadata) error
}

// What one request asks for.
const (
	pullBatch = 256
	pullBytes = 1 << 20
)

// endError is an error that ends a tail.
type endError struct{ error }

func (e endError) Unwrap() error { return e.error }

// run reads until ctx ends, the stream is gone, or a function of the tail says so.
func (t *tail) run(ctx context.Context) error {
	for failed := 0; ; failed++ {
		before := t.next
		err := t.follow(ctx)
		var end endError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &end):
			return end.error
		case t.next != before:
			failed = 0
		}
		t.log.Debug("a consumer is made anew", "subject", t.subject, "from", t.next, "error", err)
		if !pause(ctx, min(t.pace.wait/10<<min(failed, 4), t.pace.wait)) {
			return nil
		}
	}
}

// pause waits. It returns false where ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// follow reads by one consumer, until it fails.
func (t *tail) follow(ctx context.Context) error {
	inbox := t.nc.NewInbox()
	messages := make(chan *natsgo.Msg, pullBatch+64) // and what is said in between
	sub, err := t.nc.ChanSubscribe(inbox+".*", messages)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	name := "ingestd-" + random() + random()
	made, err := t.consumer(ctx, name)
	if made { // or it may be
		defer t.forget(ctx, name)
	}
	if err != nil {
		return err
	}
	if t.using != nil {
		t.using(name)
	}
	r := requester{tail: t, subject: jetstream.DefaultAPIPrefix + "CONSUMER.MSG.NEXT." + t.stream + "." + name, inbox: inbox}
	silence := time.NewTimer(0)
	defer silence.Stop()
	for number := uint64(1); ; {
		if err := r.need(); err != nil {
			return err
		}
		silence.Reset(2*t.pace.idle + t.pace.idle/2)
		var m *natsgo.Msg
		select {
		case m = <-messages:
		case <-ctx.Done():
			return ctx.Err()
		case <-silence.C:
			select {
			case m = <-messages:
			default:
				return errors.New("JetStream is silent")
			}
		}
		if !strings.HasPrefix(m.Reply, "$JS.ACK.") {
			if err := r.status(m); err != nil {
				return err
			}
			continue
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != number {
			return fmt.Errorf("message %d of the consumer comes as number %d", meta.Sequence.Consumer, number)
		}
		number++
		r.left--
		if err := t.read(ctx, m, meta); err != nil {
			return endError{err}
		}
		t.next = meta.Sequence.Stream + 1
	}
}

// consumer makes one, behind what was handled. It tells whether there may be one now.
func (t *tail) consumer(ctx context.Context, name string) (made bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.pace.request)
	defer cancel()
	stream, err := t.js.Stream(ctx, t.stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return false, endError{errGone}
	case err != nil:
		return false, err
	case !stream.CachedInfo().Created.Equal(t.created):
		return false, endError{errGone}
	}
	if t.opened != nil {
		if err := t.opened(ctx, stream.CachedInfo()); err != nil {
			return false, err
		}
	}
	c := jetstream.ConsumerConfig{
		Name:              name,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       t.next,
		AckPolicy:         jetstream.AckNonePolicy,
		FilterSubject:     t.subject,
		Replicas:          1,
		MemoryStorage:     true,
		InactiveThreshold: t.pace.expires + 10*time.Second,
	}
	if t.next == 0 {
		c.DeliverPolicy = jetstream.DeliverLastPerSubjectPolicy
	}
	// One whose making is given up could be made behind its removal.
	making, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.pace.request)
	defer cancel()
	_, err = stream.CreateConsumer(making, c)
	return true, err
}

// forget removes a consumer. JetStream does so itself, later.
func (t *tail) forget(ctx context.Context, name string) {
	if !t.nc.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.pace.request/4)
	defer cancel()
	_ = t.js.DeleteConsumer(ctx, t.stream, name)
}

// requester asks a consumer for messages.
type requester struct {
	tail    *tail
	subject string
	inbox   string
	number  int  // of the request
	left    int  // messages that it may still bring
	large   bool // the next message is larger than what one request asks for
}

// need asks for more, where nothing is asked for.
func (r *requester) need() error {
	if r.left > 0 {
		return nil
	}
	r.number++
	ask := struct {
		Batch     int           `json:"batch"`
		MaxBytes  int           `json:"max_bytes,omitempty"`
		Expires   time.Duration `json:"expires"`
		Heartbeat time.Duration `json:"idle_heartbeat"`
	}{pullBatch, pullBytes, r.tail.pace.expires, r.tail.pace.idle}
	if r.large {
		ask.Batch, ask.MaxBytes = 1, 0
	}
	r.large = false
	body, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	r.left = ask.Batch
	return r.tail.nc.PublishRequest(r.subject, r.reply(), body)
}

func (r *requester) reply() string { return r.inbox + "." + strconv.Itoa(r.number) }

// status takes what is not a message. An error says that the consumer is no good.
func (r *requester) status(m *natsgo.Msg) error {
	status, text := m.Header.Get("Status"), m.Header.Get("Description")
	if m.Subject != r.reply() || status == "100" { // it is of a request before, or a sign of life
		return nil
	}
	over := status == "404" || status == "408"
	if status == "409" {
		switch strings.ToLower(text) {
		case "message size exceeds maxbytes":
			r.large = r.left == pullBatch
			over = true
		case "batch completed":
			over = true
		}
	}
	if !over {
		return fmt.Errorf("JetStream says %s %s", status, text)
	}
	r.left = 0
	return nil
}
