package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/deadletters"
)

type lettersShow struct {
	remote `embed:""`
	Number int64 `arg:"" help:"The number of the letter, as list shows it."`
	JSON   bool  `name:"json" xor:"form" help:"As a JSON object, with the data as it was sent."`
	Raw    bool  `xor:"form" help:"Nothing but the data, byte for byte as it was sent."`
}

func (c *lettersShow) Run(a *app) error {
	found := false
	err := a.withLetters(&c.remote, true, func(ctx context.Context, s *letters) error {
		found = true
		l, err := s.Get(ctx, c.Number)
		if errors.Is(err, deadletters.ErrNotFound) {
			return fmt.Errorf("there is no dead letter %d", c.Number)
		}
		if err != nil {
			return err
		}
		l = s.redacted(l)
		switch {
		case c.Raw:
			_, err = a.stdout.Write(l.Message.Data)
		case c.JSON:
			_, err = a.stdout.Write(append(api.AppendLetterLine(nil, &l), '\n'))
		default:
			_, err = io.WriteString(a.stdout, describe(&l))
		}
		return err
	})
	if err == nil && !found {
		return &exitError{exitFailed, errLogged}
	}
	return err
}

// describe writes everything about a letter for people.
func describe(l *deadletters.Letter) string {
	var out strings.Builder
	m := &l.Message
	line := func(name, value string) {
		text := fmt.Sprintf("  %-10s %s", name, printable(value, math.MaxInt))
		fmt.Fprintln(&out, strings.TrimRight(text, " "))
	}
	at := func(name string, t time.Time) { line(name, t.UTC().Format(time.RFC3339Nano)) }
	fmt.Fprintf(&out, "Dead letter %d\n", l.Number)
	line("kind", m.Kind.String())
	line("id", m.ID)
	line("seq", fmt.Sprint(m.Seq))
	line("client", m.Client)
	line("op", m.Op)
	line("code", fmt.Sprint(m.Code))
	at("sent", m.Time)
	at("received", m.Received)
	line("remote", m.Remote)
	line("sender", m.Sender)
	line("reason", l.Reason)
	line("error code", l.Code)
	line("sink", l.Sink)
	at("refused", l.Refused)
	line("attempts", fmt.Sprint(l.Attempts))
	if l.Replay != 0 {
		line("replay", "it waits to be sent again")
	}
	text, form := prettyData(m.Data)
	fmt.Fprintf(&out, "Data: %s%s\n%s\n", count(len(m.Data), "byte"), form, text)
	return out.String()
}

// mostQuoted is how many characters are shown of data that is not JSON.
const mostQuoted = 4096

// prettyData writes data to be read, and says where that is not how it was sent.
func prettyData(data []byte) (text, form string) {
	var indented bytes.Buffer
	if !utf8.Valid(data) || json.Indent(&indented, data, "", "  ") != nil {
		return printable(string(data), mostQuoted), ", not JSON; --raw gives it as it is"
	}
	var out strings.Builder
	for line := range strings.Lines(indented.String()) {
		body := strings.TrimSuffix(line, "\n")
		out.WriteString(printable(body, math.MaxInt) + line[len(body):])
	}
	return out.String(), ""
}
