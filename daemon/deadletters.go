package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
		"beside a running daemon, and without one."
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
func missing(ctx context.Context, s *deadletters.Store, numbers []int64) error {
	var gone []string
	for _, n := range numbers {
		if _, err := s.Get(ctx, n); errors.Is(err, deadletters.ErrNotFound) {
			gone = append(gone, fmt.Sprint(n))
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

// withLetters calls f with the dead letters of the configured data directory. Where
// there is no file, and so no letter, it says so and makes none.
func (a *app) withLetters(s *source, f func(ctx context.Context, c *config, letters *deadletters.Store) error) (err error) {
	cfg, _, err := s.load(a.plugins)
	if err != nil {
		return err
	}
	path := filepath.Join(cfg.DataDir, lettersName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(a.stderr, "No dead letters: there is no %s.\n", path)
		return nil
	}
	ctx := context.Background()
	letters, err := openLetters(ctx, cfg, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, letters.Close()) }()
	return f(ctx, cfg, letters)
}

type lettersDiscard struct {
	source        `embed:""`
	lettersChoice `embed:""`
}

func (c *lettersDiscard) Run(a *app) error {
	filter, err := c.choose()
	if err != nil {
		return err
	}
	return a.withLetters(&c.source, func(ctx context.Context, _ *config, letters *deadletters.Store) error {
		if err := missing(ctx, letters, filter.Numbers); err != nil {
			return err
		}
		n, err := letters.Discard(ctx, filter)
		fmt.Fprintf(a.stdout, "%s discarded.\n", count(int(n), "dead letter"))
		return err
	})
}
