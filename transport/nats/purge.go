package nats

import (
	"context"
	"errors"
	"math"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
	"github.com/ingestd/ingestd/internal/seedbug"
)

// purge looks from time to time whether the stream is what it was, and removes what all
// groups have settled, while partition 0 is mine, until ctx ends.
func (s *session) purge(ctx context.Context) {
	failing := false
	for pause(ctx, s.pace.purge) {
		if err := s.fit(ctx); err != nil {
			s.fail(err)
			return
		}
		s.mu.Lock()
		p := s.owned[0]
		s.mu.Unlock()
		if p == nil || !p.lease.Held() {
			continue
		}
		err := jet.Classify(s.purgeOnce(ctx))
		if err != nil && ctx.Err() == nil && !failing {
			s.log.Warn("what is settled is not purged", "error", err)
		}
		failing = err != nil
	}
}

// fit returns an error where the stream is another one than this session reads: made
// anew, or with other subjects, or one that loses messages. Where it cannot be looked at
// there is none.
func (s *session) fit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.pace.request)
	defer cancel()
	stream, err := jet.OpenStream(ctx, s.js, s.stream.name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return errGone
	case engine.IsBlocked(err):
		return err
	case err != nil:
		return nil
	}
	return s.same(stream.CachedInfo(), stream.Subject, stream.Partitions)
}

// same returns an error where a stream is not the one of this session.
func (s *session) same(info *jetstream.StreamInfo, subject string, partitions int) error {
	if !info.Created.Equal(s.stream.created) {
		return errGone
	}
	if subject != s.stream.subject || partitions != s.stream.partitions {
		return errors.New("the subjects of the stream have changed")
	}
	return nil
}

// purgeOnce purges up to the least floor. A partition of which the stream has nothing
// holds nothing back; and since the count of what it has is taken after its last
// number, or with it, that holds for every number up to that one. So by removing
// what was the least, another partition may come to have nothing: that is tried at
// once.
func (s *session) purgeOnce(ctx context.Context) error {
	for range s.stream.partitions {
		before, cancel := context.WithTimeout(ctx, 5*s.pace.request)
		limit, first, err := s.settled(before)
		if err == nil && limit >= first {
			var stream jetstream.Stream
			if stream, err = s.js.Stream(before, s.stream.name); err == nil {
				err = stream.Purge(before, jetstream.WithPurgeSequence(limit+1))
			}
		}
		cancel()
		if err != nil || limit < first {
			return err
		}
	}
	return nil
}

// settled gives the sequence up to which all is settled, and the first one of the
// stream.
func (s *session) settled(ctx context.Context) (limit, first uint64, err error) {
	floors, last := s.floors()
	stream, err := s.js.Stream(ctx, s.stream.name)
	if err != nil {
		return 0, 0, err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(s.stream.subject+".*"))
	if err != nil {
		return 0, 0, err
	}
	subject := ""
	if len(info.Config.Subjects) == 1 {
		subject, _ = strings.CutSuffix(info.Config.Subjects[0], ".*")
	}
	if err := s.same(info, subject, s.stream.partitions); err != nil {
		return 0, 0, err
	}
	if err := intact(ctx, stream, info, last); err != nil {
		return 0, 0, err
	}
	limit = info.State.LastSeq
	for p, floor := range floors {
		if info.State.Subjects[jet.Subject(s.stream.subject, p)] > 0 {
			limit = min(limit, floor)
		}
	}
	return limit, info.State.FirstSeq, nil
}

// intact returns an error where the stream has lost its end, by what it has at the
// greatest floor there is: then what has the numbers up to there may not have been read.
func intact(ctx context.Context, stream jetstream.Stream, info *jetstream.StreamInfo, last place) error {
	switch {
	case last.Floor > info.State.LastSeq:
		return errors.New("the stream is shorter than it was")
	case last.Floor < info.State.FirstSeq, last.Time.IsZero():
		return nil
	}
	m, err := stream.GetMsg(ctx, last.Floor)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		if info, err := stream.Info(ctx); err == nil && info.State.FirstSeq > last.Floor {
			return nil // another group has purged it meanwhile
		}
	}
	if err == nil && !m.Time.Equal(last.Time) {
		err = errors.New("the stream has lost its end, and something else has its numbers")
	}
	return err
}

// floors are the least floors of all groups, by partition, and the place with the
// greatest. A group that has no floor of a partition yet begins at the first message that
// there is.
func (s *session) floors() (least []uint64, last place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	least = make([]uint64, s.stream.partitions)
	for p := range least {
		least[p] = math.MaxUint64
	}
	for name, g := range s.groups {
		live := name == s.r.config.Group || len(g.members.live()) > 0
		if !live && !g.known() {
			continue // there is no such group any more
		}
		for p := range least {
			at := g.places[p]
			if at.Stream.Equal(s.stream.created) && at.Floor > last.Floor {
				last = at.place
			}
			switch {
			case at.Version != placeVersion || at.unknown != nil || !at.Stream.Equal(s.stream.created):
				least[p] = 0
			case !seedbug.Is("reader-purges-other-groups") || name == s.r.config.Group:
				least[p] = min(least[p], at.Floor)
			}
		}
		if !live {
			s.r.tell(&s.r.absent, hclog.Warn, "a group without readers keeps what it has not stored in the stream", "name", name)
		}
	}
	return least, last
}

// known tells whether the group has begun to read.
func (g *group) known() bool {
	for _, at := range g.places {
		if at.Version != 0 || at.unknown != nil {
			return true
		}
	}
	return false
}

// measure looks from time to time at how much is not read, where reading has not come
// to the end, until ctx ends.
func (s *session) measure(ctx context.Context) {
	for pause(ctx, s.pace.measure) {
		for _, p := range s.all() {
			if count, _ := p.behind(); count == 0 || ctx.Err() != nil {
				continue
			}
			name, _ := p.consumer.Load().(string)
			if name == "" {
				continue
			}
			before := p.unread.Load() // which reading keeps up to date where it goes on
			asking, cancel := context.WithTimeout(ctx, s.pace.request)
			consumer, err := s.js.Consumer(asking, s.stream.name, name)
			cancel()
			if err != nil || p.consumer.Load() != name {
				continue
			}
			// What is on its way to the window was delivered, and is not read.
			info := consumer.CachedInfo()
			count := info.NumPending
			if taken := p.taken.Load(); info.Delivered.Consumer > taken {
				count += info.Delivered.Consumer - taken
			}
			p.unread.CompareAndSwap(before, count)
		}
	}
}
