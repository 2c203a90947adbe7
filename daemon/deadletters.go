package daemon

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/deadletters"
)

// lettersName is the file in the data directory that has the dead letters.
const lettersName = "dead-letters.db"

// deadLettersCommand is the commands that look at what sinks refused.
type deadLettersCommand struct {
	List    lettersList    `cmd:"" help:"List what the sink refused for good."`
	Show    lettersShow    `cmd:"" help:"Show one dead letter, with its data."`
	Replay  lettersReplay  `cmd:"" help:"Send dead letters again, and wait for what becomes of them."`
	Discard lettersDiscard `cmd:"" help:"Delete dead letters for good."`
}

// Help implements kong's HelpProvider.
func (*deadLettersCommand) Help() string {
	return "A message that the sink refused for good is kept in data_dir/" + lettersName + ". These commands work " +
		"on that file, beside a running daemon and without one; with --url, through the admin server of a daemon elsewhere."
}

// lettersFilter says which letters a command is about.
type lettersFilter struct {
	ID     string `placeholder:"ID" help:"Only those of this stream."`
	Client string `placeholder:"NAME" help:"Only those of this client."`
	Code   string `placeholder:"CODE" help:"Only those refused with this error code, like conflict or 1406."`
	Sink   string `placeholder:"SINK" help:"Only those refused by this sink, as show names it."`
}

func (f *lettersFilter) filter() deadletters.Filter {
	return deadletters.Filter{ID: f.ID, Client: f.Client, Code: f.Code, Sink: f.Sink}
}

// lettersChoice is a filter, or all.
type lettersChoice struct {
	Numbers []int64 `arg:"" optional:"" name:"number" help:"These letters."`
	All     bool    `help:"All letters."`
	lettersFilter
}

// some tells whether numbers or filters choose.
func (c *lettersChoice) some() bool {
	return c.lettersFilter != (lettersFilter{}) || len(c.Numbers) > 0
}

// choose makes the filter, and says what is wrong with it.
func (c *lettersChoice) choose() (deadletters.Filter, error) {
	switch some := c.some(); {
	case c.All && some:
		return deadletters.Filter{}, wrong(errors.New("--all is all letters: leave out the numbers and filters, or --all"))
	case !c.All && !some:
		return deadletters.Filter{}, wrong(errors.New("which letters? Give their numbers, filters like --id or --code, or --all"))
	}
	filter := c.filter()
	if len(c.Numbers) > 0 {
		slices.Sort(c.Numbers)
		filter.Numbers = slices.Compact(c.Numbers)
	}
	return filter, nil
}

// missing is the error about numbers of letters that are not there; nil: all are.
func missing(ctx context.Context, s letterStore, numbers []int64) error {
	var gone []string
	for _, n := range numbers {
		_, err := s.Get(ctx, n)
		if errors.Is(err, deadletters.ErrNotFound) {
			gone = append(gone, fmt.Sprint(n))
		} else if _, bad := errors.AsType[*deadletters.ReadError](err); err != nil && !bad {
			return err
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return fmt.Errorf("there is no dead letter %s: nothing was done", strings.Join(gone, ", "))
}

// openLetters opens the dead letters of a daemon. Sink is what letters say refused
// them.
func openLetters(ctx context.Context, c *config, sink string) (*deadletters.Store, error) {
	return deadletters.Open(ctx, filepath.Join(c.DataDir, lettersName), deadletters.Options{
		Sink:   sink,
		Redact: func(text string) string { return hclx.Redact(text, c.secrets()...) },
	})
}

type lettersDiscard struct {
	remote        `embed:""`
	lettersChoice `embed:""`
}

func (c *lettersDiscard) Run(a *app) error {
	filter, err := c.choose()
	if err != nil {
		return err
	}
	return a.withLetters(&c.remote, false, func(ctx context.Context, s *letters) error {
		if err := missing(ctx, s, filter.Numbers); err != nil {
			return err
		}
		n, err := s.Discard(ctx, filter)
		if err != nil && n == 0 {
			return err
		}
		fmt.Fprintf(a.stdout, "%s discarded.\n", count(int(n), "dead letter"))
		return err
	})
}
