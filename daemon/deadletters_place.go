package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/deadletters"
)

// letterStore is dead letters: those of a file here, or of a daemon elsewhere. What
// its methods promise is what [deadletters.Store] says.
type letterStore interface {
	List(ctx context.Context, f deadletters.Filter) iter.Seq2[deadletters.Letter, error]
	Get(ctx context.Context, number int64) (deadletters.Letter, error)
	Count(ctx context.Context) (int64, error)
	CountOf(ctx context.Context, f deadletters.Filter) (int64, error)
	Mark(ctx context.Context, f deadletters.Filter) (request, letters int64, err error)
	Outcome(ctx context.Context, request int64) (deadletters.Outcome, error)
	Waiting(ctx context.Context, request int64) (int64, error)
	Discard(ctx context.Context, f deadletters.Filter) (int64, error)
}

var (
	_ letterStore = (*deadletters.Store)(nil)
	_ letterStore = (*remoteLetters)(nil)
)

// letters are dead letters that were opened for a command.
type letters struct {
	letterStore
	config  *config  // nil: they are elsewhere
	secrets []string // of config
}

// redacted gives l without the secrets of the configuration. A daemon elsewhere
// takes its own out.
func (s *letters) redacted(l deadletters.Letter) deadletters.Letter {
	l.Reason = hclx.Redact(l.Reason, s.secrets...)
	return l
}

// withLetters calls f with the dead letters of a daemon that --url names, or else of
// the data directory, whatever else is wrong with the configuration. Where that has
// no file, and so no letter, it says so and makes none. withData tells whether lists need the data of letters.
func (a *app) withLetters(r *remote, withData bool, f func(ctx context.Context, s *letters) error) (err error) {
	ctx := context.Background()
	if r.URL != "" {
		client, err := r.client(a)
		if err != nil {
			return err
		}
		defer client.Close()
		return f(ctx, &letters{letterStore: &remoteLetters{client, withData}})
	}
	cfg, err := r.settings(a.plugins, "data_dir")
	if err != nil {
		return err
	}
	path := filepath.Join(cfg.DataDir, lettersName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if cfg.mistakes != nil && (cfg.DataDir == "" || cfg.origins.Of("data_dir") == hclx.Default) {
			return cfg.mistakes // among them may be why it is not there
		}
		fmt.Fprintf(a.stderr, "No dead letters: there is no %s.\n", path)
		return nil
	}
	store, err := openLetters(ctx, cfg, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return f(ctx, &letters{store, cfg, cfg.secrets()})
}

// remoteLetters are those of a daemon elsewhere.
type remoteLetters struct {
	client *api.Client
	data   bool // lists have the data of letters
}

// filtered is f as the daemon takes it.
func filtered(f deadletters.Filter) api.LetterFilter {
	out := api.LetterFilter{ID: f.ID, Client: f.Client, Code: f.Code, Sink: f.Sink}
	for _, n := range f.Numbers {
		out.Numbers = append(out.Numbers, strconv.FormatInt(n, 10))
	}
	return out
}

// choice is f as the daemon takes it for what changes letters: it wants to hear that
// all are meant.
func choice(f deadletters.Filter) api.LetterChoice {
	c := api.LetterChoice{LetterFilter: filtered(f)}
	c.All = len(f.Numbers) == 0 && f.ID == "" && f.Client == "" && f.Code == "" && f.Sink == ""
	return c
}

// List asks for one page after the other.
func (s *remoteLetters) List(ctx context.Context, f deadletters.Filter) iter.Seq2[deadletters.Letter, error] {
	return func(yield func(deadletters.Letter, error) bool) {
		page := api.LetterPage{LetterFilter: filtered(f), Data: s.data}
		left := f.Limit
		if left == 0 {
			left = math.MaxInt
		}
		for {
			if page.Limit = 0; f.Limit > 0 {
				page.Limit = left
			}
			answer, err := s.client.DeadLetters(ctx, page)
			if err != nil {
				yield(deadletters.Letter{}, remoteError(err))
				return
			}
			for _, text := range answer.Letters {
				l, err := api.ParseLetter(text)
				if !yield(l, err) {
					return
				}
				page.After = l.Number
				if left--; left == 0 {
					return
				}
			}
			if !answer.More || len(answer.Letters) == 0 {
				return
			}
		}
	}
}

// Get asks for one letter.
func (s *remoteLetters) Get(ctx context.Context, number int64) (deadletters.Letter, error) {
	l, err := s.client.DeadLetter(ctx, number)
	if said, is := errors.AsType[*api.Error](err); is && said.Status == http.StatusNotFound {
		return deadletters.Letter{}, deadletters.ErrNotFound
	}
	return l, remoteError(err)
}

// Count asks how many letters there are.
func (s *remoteLetters) Count(ctx context.Context) (int64, error) {
	answer, err := s.client.DeadLetters(ctx, api.LetterPage{Limit: 1})
	if err != nil {
		return 0, remoteError(err)
	}
	return answer.Total, nil
}

// CountOf asks how many f selects.
func (s *remoteLetters) CountOf(ctx context.Context, f deadletters.Filter) (int64, error) {
	answer, err := s.client.DeadLetters(ctx, api.LetterPage{LetterFilter: filtered(f), Limit: 1})
	if err != nil {
		return 0, remoteError(err)
	}
	return answer.Matching, nil
}

// Mark asks for a replay.
func (s *remoteLetters) Mark(ctx context.Context, f deadletters.Filter) (request, letters int64, err error) {
	answer, err := s.client.Replay(ctx, choice(f))
	if err != nil {
		return 0, 0, remoteError(err)
	}
	return answer.Request, answer.Letters, nil
}

// Outcome asks what has become of a replay.
func (s *remoteLetters) Outcome(ctx context.Context, request int64) (deadletters.Outcome, error) {
	o, err := s.client.ReplayOutcome(ctx, request)
	if err != nil {
		return deadletters.Outcome{}, remoteError(err)
	}
	return deadletters.Outcome{Asked: o.Asked, Stored: o.Stored, Refused: o.Refused, Waiting: o.Waiting > 0}, nil
}

// Waiting asks how many letters of a replay wait.
func (s *remoteLetters) Waiting(ctx context.Context, request int64) (int64, error) {
	o, err := s.client.ReplayOutcome(ctx, request)
	if err != nil {
		return 0, remoteError(err)
	}
	return o.Waiting, nil
}

// Discard asks for letters to be deleted.
func (s *remoteLetters) Discard(ctx context.Context, f deadletters.Filter) (int64, error) {
	answer, err := s.client.Discard(ctx, choice(f))
	if err != nil {
		return 0, remoteError(err)
	}
	return answer.Letters, nil
}
