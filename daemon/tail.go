package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"syscall"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/api"
)

// tailCommand follows messages as they are accepted.
type tailCommand struct {
	remote `embed:""`
	ID     string `name:"id" placeholder:"ID" help:"Only those of this stream."`
	JSON   bool   `name:"json" help:"As messages that \"ingestd send\" takes, a JSON object a line. So it is where the output is no terminal, too."`

	again time.Duration // how long it waits before it connects again; 0: tailAgain
}

const tailAgain = time.Second

// Help implements kong's HelpProvider.
func (*tailCommand) Help() string {
	return "Messages are shown as they come, before they are stored. A tail that is too slow holds nobody up: it " +
		"is told how many messages it did not get. Once it was connected it connects again when the daemon goes away, and " +
		"does not show what came meanwhile. SIGINT ends it.\n\n" +
		"Where the output is a pipe or a file, a message is what was sent, but for the white space of its data, with client, received_at, " +
		"remote and sender beside it. A number that the client gave it is its seq; one that the daemon gave it is left out."
}

func (c *tailCommand) Run(a *app) error {
	return c.ask(a, func(ctx context.Context, client *api.Client) error {
		out := newTerminal(a.stdout)
		t := &tail{client: client, id: c.ID, log: a.stderr, again: c.again, show: newTailOutput(out, c.JSON)}
		if t.again == 0 {
			t.again = tailAgain
		}
		defer t.show.stop()
		err := t.follow(ctx)
		if errors.Is(err, syscall.EPIPE) || ctx.Err() != nil { // nobody reads any more
			err = nil
		}
		return err
	})
}

// tail is one run of the command.
type tail struct {
	client *api.Client
	id     string
	show   *tailOutput
	log    io.Writer
	again  time.Duration
}

// follow shows messages until ctx ends, over the ends of daemons.
func (t *tail) follow(ctx context.Context) error {
	if err := t.reach(ctx); err != nil {
		return remoteError(err)
	}
	for {
		lost, err := t.connection(ctx)
		if err != nil || ctx.Err() != nil {
			return err
		}
		fmt.Fprintf(t.log, "ingestd: %s; trying again\n", oneLine(lost.Error()))
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(t.again):
			}
			err := t.reach(ctx)
			if err == nil {
				break
			}
			if refused(err) {
				return remoteError(err)
			}
		}
		fmt.Fprintf(t.log, "ingestd: %s is there again; what it took meanwhile is not shown\n", t.client.URL())
	}
}

// reach tells whether the daemon answers.
func (t *tail) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	_, err := t.client.Status(ctx)
	return err
}

// refused tells whether asking again cannot help.
func refused(err error) bool {
	said, is := errors.AsType[*api.Error](err)
	return is && said.Status < http.StatusInternalServerError
}

// connection shows the messages of one connection. lost is why it ended; err is
// what is no reason to connect again.
func (t *tail) connection(ctx context.Context) (lost, err error) {
	for m, e := range t.client.Tail(ctx, t.id) {
		switch {
		case refused(e):
			return nil, remoteError(e)
		case e != nil:
			return e, nil
		case m.Dropped > 0:
			fmt.Fprintf(t.log, "ingestd: %s not shown: too many for this tail\n", count(int(min(m.Dropped, math.MaxInt)), "message"))
		default:
			if err := t.show.message(&m); err != nil {
				return nil, err
			}
		}
	}
	return errors.New("the daemon has ended"), nil
}
