package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/api"
)

// statusCommand shows how a running daemon is.
type statusCommand struct {
	remote `embed:""`
	JSON   bool `name:"json" help:"As a JSON object, which is that of /api/v1/status; with --watch one a line."`
	Watch  bool `short:"w" help:"Look again each second, until SIGINT. It keeps trying while the daemon is away."`

	every time.Duration // how often --watch looks; 0: lookAgain
}

const (
	lookAgain  = time.Second
	statusWait = 10 * time.Second // for one answer
)

// Help implements kong's HelpProvider.
func (*statusCommand) Help() string {
	return "Exit status: 0 it is ready, 1 it is not ready or cannot be reached."
}

func (c *statusCommand) Run(a *app) error {
	return c.ask(a, func(ctx context.Context, client *api.Client) error {
		v := &statusView{client: client, json: c.JSON, terminal: newTerminal(a.stdout)}
		if !c.Watch {
			return v.once(ctx)
		}
		if v.every = c.every; v.every == 0 {
			v.every = lookAgain
		}
		return v.watch(ctx)
	})
}

// statusView shows statuses, one or many.
type statusView struct {
	*terminal
	client *api.Client
	json   bool
	every  time.Duration

	last *api.Status // the last one that came
	away time.Time   // since when none has come; zero: the last one is of now
}

func (v *statusView) ask(ctx context.Context) (*api.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	return v.client.Status(ctx)
}

// once shows one status. It is an error if that is not "ready".
func (v *statusView) once(ctx context.Context) error {
	st, err := v.ask(ctx)
	if err != nil {
		if v.json {
			_ = v.writeJSON(unreachable(err))
		}
		if err = remoteError(err); err != nil {
			err = &exitError{exitFailed, err}
		}
		return err
	}
	if v.json {
		err = v.writeJSON(st)
	} else {
		width, _ := v.size()
		err = v.lines(screenOf(st, v.client.URL(), "", width))
	}
	if err == nil && !st.Ready {
		err = &exitError{exitFailed, errLogged}
	}
	return err
}

// unreachable stands in the place of a status that did not come.
func unreachable(err error) any {
	return struct {
		Ready  bool   `json:"ready"`
		Reason string `json:"reason"`
	}{false, err.Error()}
}

// writeJSON writes value on a line. What a terminal might not only show is escaped.
func (v *statusView) writeJSON(value any) error {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	text := line.Bytes()
	if v.is() {
		text = append(escapeJSON(nil, bytes.TrimSpace(text)), '\n')
	}
	_, err := v.out.Write(text)
	return err
}

func (v *statusView) lines(lines []textLine) error {
	width, _ := v.size()
	var out strings.Builder
	for _, l := range lines {
		out.WriteString(l.render(width, v.coloured) + "\n")
	}
	_, err := io.WriteString(v.out, out.String())
	return err
}

// What --watch tells a terminal: the alternate screen without a cursor, and back;
// and around each picture, that it is to be shown as a whole.
const (
	watchBegin = "\x1b[?1049h\x1b[?25l\x1b[2J"
	watchEnd   = "\x1b[?25h\x1b[?1049l"
	frameBegin = "\x1b[?2026h\x1b[H"
	frameEnd   = "\x1b[J\x1b[?2026l"
)

// watch shows a status after the other, until ctx ends.
func (v *statusView) watch(ctx context.Context) (err error) {
	if v.is() && !v.json {
		if _, err := io.WriteString(v.out, watchBegin); err != nil {
			return err
		}
		defer func() {
			_, e := io.WriteString(v.out, watchEnd)
			err = errors.Join(err, e)
		}()
	}
	tick := time.NewTicker(v.every)
	defer tick.Stop()
	for {
		st, err := v.ask(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := v.next(st, err); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// next shows the next status, or why none has come.
func (v *statusView) next(st *api.Status, err error) error {
	now := time.Now()
	trouble := ""
	if err == nil {
		v.last, v.away = st, time.Time{}
	} else {
		if v.away.IsZero() {
			v.away = now
		}
		trouble = fmt.Sprintf("Since %s: %s", v.away.Format(time.TimeOnly), oneLine(err.Error()))
	}
	switch {
	case v.json && err != nil:
		return v.writeJSON(unreachable(err))
	case v.json:
		return v.writeJSON(st)
	case v.is():
		return v.frame(trouble)
	}
	return v.plain(now, trouble)
}

// frame draws a picture over the one before, so that nothing flickers.
func (v *statusView) frame(trouble string) error {
	width, height := v.size()
	var lines []textLine
	if v.last == nil {
		s := &statusScreen{width: width}
		s.head(&api.Status{}, trouble)
		lines = s.lines
	} else {
		lines = screenOf(v.last, v.client.URL(), trouble, width)
	}
	if len(lines) > height {
		lines = lines[:height]
	}
	var out strings.Builder
	out.WriteString(frameBegin)
	for i, l := range lines {
		if i > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(l.render(width, v.coloured) + "\x1b[K")
	}
	out.WriteString(frameEnd)
	_, err := io.WriteString(v.out, out.String())
	return err
}

// plain writes one line where there is no terminal.
func (v *statusView) plain(now time.Time, trouble string) error {
	at := now.Format(time.DateTime)
	if trouble != "" {
		_, err := fmt.Fprintf(v.out, "%s unreachable: %s\n", at, trouble)
		return err
	}
	word := "ready"
	if !v.last.Ready {
		word = "not ready"
	}
	_, err := fmt.Fprintf(v.out, "%s %s: %s received and %s stored a second, %s pending: %s\n", at, word,
		amount(v.last.Rates.Received), amount(v.last.Rates.Stored), grouped(v.last.Messages.Pending),
		oneLine(v.last.Summary))
	return err
}
