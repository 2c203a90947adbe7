package nats_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/natstest"
	sink "github.com/ingestd/ingestd/sink/nats"
)

// No password is in an error or in the log, wherever it was set: not when it is
// right, not when it is wrong, not when the server is away, and not in a print of
// the sink or of its configuration.
func TestNoSecretIsTold(t *testing.T) {
	const secret = "s3cret-77"
	user := func(password string) natstest.Option {
		return func(o *natsserver.Options) { o.Username, o.Password = "edge", password }
	}
	for name, with := range map[string]func(*natstest.Server, string) sink.Config{
		"in the URL": func(s *natstest.Server, password string) sink.Config {
			return config("nats://edge:" + password + "@" + s.Address())
		},
		"apart": func(s *natstest.Server, password string) sink.Config {
			c := config(s.URL())
			c.User, c.Password = "edge", engine.Secret(password)
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			var j natstest.Journal
			log := hclog.New(&hclog.LoggerOptions{Output: &j, Level: hclog.Trace})
			server := natstest.Start(t, user(secret))
			told := ""
			tell := func(err error) {
				t.Helper()
				if err == nil {
					t.Error("there is no error")
				}
				told += fmt.Sprintf("%v %+v %#v\n", err, err, err)
			}
			_, err := sink.Open(t.Context(), with(server, secret+"-wrong"), log)
			tell(err)
			c := with(server, secret)
			c.AckTimeout = 200 * time.Millisecond
			s, err := sink.Open(t.Context(), c, log)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			told += fmt.Sprintf("%v %+v", s, c)
			server.Restart(user("another"))
			natstest.Eventually(t, "it is refused", func() bool {
				_, err = s.Write(t.Context(), one("a"))
				return engine.IsBlocked(err)
			})
			tell(err)
			server.Stop()
			_, err = s.Write(t.Context(), one("a"))
			tell(err)
			_, err = sink.Open(t.Context(), c, log)
			tell(err)
			server.Restart(user(secret))
			succeeds(t, s)
			if told += j.String(); strings.Contains(told, secret) {
				t.Errorf("the password is told:\n%s", told)
			}
			if !strings.Contains(told, "connected again") {
				t.Errorf("nothing is told:\n%s", told)
			}
		})
	}
}
