package jet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/engine"
)

// The metadata of a stream.
const (
	partitionsKey = "ingestd.partitions"
	layoutKey     = "ingestd.layout"
)

// StreamConfig is the stream that is made where there is none.
type StreamConfig struct {
	Name       string
	Subject    string // of partition p: Subject.p
	Partitions int
	Replicas   int
	Storage    jetstream.StorageType
	MaxBytes   int64
}

// Stream is one that was found to be fit.
type Stream struct {
	jetstream.Stream
	Subject    string // of partition p: see [Subject]
	Partitions int

	// MaxMessage is how large a carrier the stream takes; 0: as large as the server
	// does.
	MaxMessage int
}

// EnsureStream makes the stream where there is none. One that is there must have
// the same partitions and subject, and must keep what is in it until it is read.
// Otherwise the error is blocked and says what to do. What else differs from c is
// left as it is, and told by differs.
func EnsureStream(ctx context.Context, js jetstream.JetStream, c StreamConfig) (s *Stream, differs []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stream, err := find(ctx, js, c.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, jetstream.StreamConfig{
			Name:        c.Name,
			Description: "messages on their way to the database, written and read by ingestd",
			Subjects:    []string{c.Subject + ".*"},
			Retention:   jetstream.LimitsPolicy,
			Discard:     jetstream.DiscardNew,
			Replicas:    c.Replicas,
			Storage:     c.Storage,
			MaxBytes:    c.MaxBytes,
			Metadata:    map[string]string{partitionsKey: strconv.Itoa(c.Partitions), layoutKey: strconv.Itoa(version)},
		})
		switch {
		case errors.Is(err, jetstream.ErrStreamNameAlreadyInUse): // somebody was faster, with other settings
			stream, err = find(ctx, js, c.Name)
		case is(err, noStorage, noMemory, overStreamBytes, noReplicas, overlap, maxStreams):
			err = engine.Blocked(fmt.Errorf("cannot be made with subject %s.*, max_bytes %v, replicas %d: %w",
				c.Subject, engine.Size(c.MaxBytes), c.Replicas, err))
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("stream %s: %w", c.Name, Classify(err))
	}
	if s, err = c.fit(stream); err != nil {
		return nil, nil, engine.Blocked(fmt.Errorf("stream %s: %w", c.Name, err))
	}
	return s, c.differs(stream.CachedInfo().Config), nil
}

// OpenStream opens the stream for a reader. The error is
// [jetstream.ErrStreamNotFound] where there is none: it is made by whoever writes.
func OpenStream(ctx context.Context, js jetstream.JetStream, name string) (*Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stream, err := find(ctx, js, name)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", name, Classify(err))
	}
	s, err := StreamConfig{}.fit(stream)
	if err != nil {
		return nil, engine.Blocked(fmt.Errorf("stream %s: %w", name, err))
	}
	return s, nil
}

const (
	patience = 15 * time.Second // for a stream to be found or made
	askAgain = 2 * time.Second
)

// find asks for a stream. While a cluster chooses a leader it does not answer, nor
// afterwards to what it was asked meanwhile; so it is asked again.
func find(ctx context.Context, js jetstream.JetStream, name string) (jetstream.Stream, error) {
	for {
		asked, cancel := context.WithTimeout(ctx, askAgain)
		stream, err := js.Stream(asked, name)
		cancel()
		switch {
		case !errors.Is(err, context.DeadlineExceeded):
			return stream, err
		case ctx.Err() != nil:
			return nil, fmt.Errorf("JetStream does not answer; it may be without a leader: %w", err)
		}
	}
}

// Check asks whether the stream is still fit, and gives it as it is now.
func (s *Stream) Check(ctx context.Context) (*Stream, error) {
	name := s.CachedInfo().Config.Name
	_, err := s.Info(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, Classify(fmt.Errorf("stream %s was deleted: it is made again when an ingestd that writes to it is started: %w", name, err))
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", name, Classify(err))
	}
	now, err := StreamConfig{Subject: s.Subject, Partitions: s.Partitions}.fit(s.Stream)
	if err != nil {
		return nil, engine.Blocked(fmt.Errorf("stream %s: %w", name, err))
	}
	return now, nil
}

// fit tells whether a stream can be used. What is empty in c may be anything.
func (c StreamConfig) fit(stream jetstream.Stream) (*Stream, error) {
	is := stream.CachedInfo().Config
	count, layout := is.Metadata[partitionsKey], is.Metadata[layoutKey]
	partitions, err := strconv.Atoi(count)
	if err != nil || partitions < 1 || partitions > MaxPartitions || layout == "" {
		return nil, errors.New("was not made by ingestd (its metadata does not say how many partitions it has): set another name, or delete it")
	}
	if n, err := strconv.Atoi(layout); err != nil || n > version {
		return nil, fmt.Errorf("has layout %s, and this ingestd knows %d: upgrade it", layout, version)
	}
	if c.Partitions != 0 && partitions != c.Partitions {
		return nil, fmt.Errorf("has %d partitions, and %d are set; ids would change their partition: "+
			"set partitions = %d, or take another stream for %d", partitions, c.Partitions, partitions, c.Partitions)
	}
	var subject string
	if len(is.Subjects) == 1 {
		subject, _ = strings.CutSuffix(is.Subjects[0], ".*")
	}
	switch {
	case is.Mirror != nil || len(is.Sources) > 0:
		return nil, errors.New("is filled from another stream: take that one")
	case subject == "" || subject == is.Subjects[0] || c.Subject != "" && subject != c.Subject:
		return nil, fmt.Errorf("has the subjects %q, not %q: set subject to what it has, or edit the stream", is.Subjects, []string{c.Subject + ".*"})
	}
	var edit []string
	need := func(ok bool, what string) {
		if !ok {
			edit = append(edit, what)
		}
	}
	need(is.Retention == jetstream.LimitsPolicy, "retention limits (it cannot be edited: the stream must be made anew)")
	need(is.Discard == jetstream.DiscardNew, "discard new")
	need(is.MaxAge == 0, "no max_age")
	need(is.MaxMsgsPerSubject <= 0, "no max_msgs_per_subject")
	need(!is.NoAck, "no no_ack")
	need(!is.Sealed, "not sealed (it cannot be edited: the stream must be made anew)")
	need(!is.DenyPurge, "no deny_purge (it cannot be edited: the stream must be made anew)")
	need(is.PersistMode == jetstream.DefaultPersistMode, "persist_mode default (it cannot be edited: the stream must be made anew)")
	need(is.SubjectTransform == nil, "no subject_transform")
	if len(edit) > 0 {
		return nil, fmt.Errorf("would lose messages, or could not be emptied: it needs %s", strings.Join(edit, ", "))
	}
	return &Stream{Stream: stream, Subject: subject, Partitions: partitions, MaxMessage: max(0, int(is.MaxMsgSize))}, nil
}

// differs tells what is not as it would have been made.
func (c StreamConfig) differs(is jetstream.StreamConfig) (all []string) {
	differ := func(what string, is, set any) {
		if is != set {
			all = append(all, fmt.Sprintf("%s is %v, not %v", what, is, set))
		}
	}
	differ("replicas", is.Replicas, c.Replicas)
	differ("storage", is.Storage, c.Storage)
	differ("max_bytes", engine.Size(is.MaxBytes), engine.Size(c.MaxBytes))
	return all
}

// Classify marks what only an operator can mend: that we may not connect or publish,
// and a stream that is gone. It says what the library does not.
func Classify(err error) error {
	for _, refused := range []error{
		nats.ErrPermissionViolation, nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired,
	} {
		if errors.Is(err, refused) {
			return engine.Blocked(err)
		}
	}
	if errors.Is(err, nats.ErrReconnectBufExceeded) { // there is no buffer: see Dial
		return nats.ErrDisconnected
	}
	if errors.Is(err, nats.ErrNoResponders) {
		return fmt.Errorf("no server answers for JetStream, which is off there, or not ready: %w", err)
	}
	if is(err, jetstream.JSErrCodeStreamNotFound, notEnabled, notForAccount, sealed) {
		return engine.Blocked(err)
	}
	return err
}

// The codes that JetStream gives its errors.
const (
	noMemory        jetstream.ErrorCode = 10028
	maxStreams      jetstream.ErrorCode = 10027
	notForAccount   jetstream.ErrorCode = 10039
	noStorage       jetstream.ErrorCode = 10047
	overlap         jetstream.ErrorCode = 10065
	noReplicas      jetstream.ErrorCode = 10074
	notEnabled      jetstream.ErrorCode = 10076
	sealed          jetstream.ErrorCode = 10109
	overStreamBytes jetstream.ErrorCode = 10122
)

// is tells whether err is an answer of JetStream with one of the codes.
func is(err error, codes ...jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && slices.Contains(codes, api.ErrorCode)
}
