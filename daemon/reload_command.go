package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/daemon/internal/hclx"
)

// reloadCommand makes a running daemon read its configuration again.
type reloadCommand struct {
	remote `embed:""`
}

// Help implements kong's HelpProvider.
func (*reloadCommand) Help() string {
	return "The daemon reads the file that it was started with; --config only says where the daemon is found. As " +
		"SIGHUP does, but this says what has changed. A configuration with a mistake changes nothing; then all mistakes are told, and " +
		"the exit status is 2."
}

func (c *reloadCommand) Run(a *app) error {
	err := c.ask(a, func(ctx context.Context, client *api.Client) error {
		done, err := client.Reload(ctx)
		if said, is := errors.AsType[*api.Error](err); is && said.Status == http.StatusUnprocessableEntity {
			return wrong(fmt.Errorf("configuration not reloaded: nothing changes\n%s", strings.TrimRight(printableLines(said.Text), "\n")))
		}
		if err != nil {
			return remoteError(err)
		}
		return tellReloaded(a.stdout, done)
	})
	if mistakes, is := errors.AsType[*hclx.Mistakes](err); is {
		// Whether the daemon reads this file or another, nobody can tell from here.
		return wrong(fmt.Errorf("where is the daemon? --url says it, since the configuration cannot be read: nothing changes\n%s",
			strings.TrimRight(mistakes.Error(), "\n")))
	}
	return err
}

// tellReloaded says what a reload has changed.
func tellReloaded(out io.Writer, r *api.Reloaded) error {
	list := func(settings []string) string { return printable(strings.Join(settings, ", "), maxLine) }
	var text strings.Builder
	if len(r.Changed) == 0 {
		text.WriteString("Reloaded; nothing has changed.\n")
	} else {
		fmt.Fprintf(&text, "Reloaded. Changed: %s\n", list(r.Changed))
	}
	if len(r.NeedsRestart) > 0 {
		fmt.Fprintf(&text, "Changes when the daemon is started again: %s\n", list(r.NeedsRestart))
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// levelCommand sets the log's level of a running daemon.
type levelCommand struct {
	remote `embed:""`
	Level  string `arg:"" enum:"trace,debug,info,warn,error" help:"trace, debug, info, warn or error."`
}

// Help implements kong's HelpProvider.
func (*levelCommand) Help() string {
	return "It stays so until the configuration is reloaded, or the daemon ends."
}

func (c *levelCommand) Run(a *app) error {
	return c.ask(a, func(ctx context.Context, client *api.Client) error {
		if err := client.SetLogLevel(ctx, c.Level); err != nil {
			return remoteError(err)
		}
		_, err := fmt.Fprintf(a.stdout, "The log is written at level %s now.\n", c.Level)
		return err
	})
}
