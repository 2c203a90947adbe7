package drill

import (
	"context"
	"fmt"

	"github.com/ingestd/ingestd/client"
)

// named is a client of the library, with a name: it sends again what was not
// acked, for as long as it takes.
type named struct {
	cfg    LoadConfig
	ledger *Ledger
	client *client.Client
}

func newNamed(ctx context.Context, cfg LoadConfig, ledger *Ledger) (*named, error) {
	c, err := client.Dial(ctx, cfg.URL, client.Options{
		Name:     ledger.Client,
		Window:   min(cfg.Window, client.MaxWindow),
		Acked:    ledger.Acked,
		Refused:  func(r client.Refusal) { ledger.Refused(r.ID, r.Seq) },
		RetryMin: pause, RetryMax: 10 * pause,
	})
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &named{cfg, ledger, c}, nil
}

func (s *named) send(ctx context.Context, id string, n int) error {
	k := Key{s.ledger.Sender, id}
	for range n {
		number := s.ledger.Next(id)
		err := s.client.Send(ctx, client.Message{
			ID: id, Seq: number, Time: Time(number), Code: Code(number), Data: s.cfg.Run.Payload(k, number),
		})
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
	return nil
}

func (s *named) finish(ctx context.Context) error { return s.client.Close(ctx) }

// abort ends it at once.
func (s *named) abort() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.client.Close(ctx)
}
