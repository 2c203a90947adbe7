package nats

import (
	"context"
	"errors"
	"math"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/internal/jet"
	"github.com/ingestd/ingestd/internal/seedbug"
)

// purge removes from time to time what all groups have settled, while partition 0 is
// mine, until ctx ends.
func (s *session) purge(ctx context.Context) {
	failing := false
	for pause(ctx, s.pace.purge) {
		s.mu.Lock()
		p := s.owned[0]
		s.mu.Unlock()
		if p == nil || !p.lease.Held() {
			continue
		}
		err := s.purgeOnce(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			s.log.Warn("what is settled is not purged", "error", err)
		}
		failing = err != nil
	}
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
	floors := s.floors()
	stream, err := s.js.Stream(ctx, s.stream.name)
	if err != nil {
		return 0, 0, err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(s.stream.subject+".*"))
	if err != nil {
		return 0, 0, err
	}
	if !info.Created.Equal(s.stream.created) {
		return 0, 0, errGone
	}
	limit = info.State.LastSeq
	known := uint64(0)
	for p, floor := range floors {
		if floor != math.MaxUint64 {
			known = max(known, floor)
		}
		if info.State.Subjects[jet.Subject(s.stream.subject, p)] > 0 {
			limit = min(limit, floor)
		}
	}
	if known > info.State.LastSeq {
		return 0, 0, errors.New("the stream is shorter than it was")
	}
	return limit, info.State.FirstSeq, nil
}

// floors are the least floors of all groups, by partition. A group that has no floor
// of a partition yet begins at the first message that there is.
func (s *session) floors() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	least := make([]uint64, s.stream.partitions)
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
	return least
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
