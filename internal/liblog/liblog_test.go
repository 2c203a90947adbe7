package liblog

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

func logger(level hclog.Level) (hclog.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	return hclog.New(&hclog.LoggerOptions{Level: level, Output: &out, DisableTime: true}), &out
}

// However many lines there are, ten of a minute are logged, and the rest is counted.
// A flood of what clients cause does not hide a warning.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, out := logger(hclog.Debug)
		l := Server(to)
		var flood sync.WaitGroup
		for i := range 100 {
			flood.Go(func() {
				for range 10 {
					l.Printf("http: TLS handshake error from 192.0.2.%d: EOF", i)
				}
			})
		}
		flood.Wait()
		l.Print("http: Accept error: too many open files; retrying in 5ms")
		if n := strings.Count(out.String(), "\n"); n != 11 {
			t.Errorf("%d lines:\n%s", n, out)
		}
		if !strings.Contains(out.String(), "[WARN]  a library says: text=\"http: Accept error: ") {
			t.Errorf("the warning is not there:\n%s", out)
		}
		out.Reset()
		time.Sleep(time.Minute - 1)
		l.Print("http: TLS handshake error from 192.0.2.1: EOF")
		if out.Len() > 0 {
			t.Errorf("before the minute is over:\n%s", out)
		}
		time.Sleep(1)
		l.Print("http: TLS handshake error from 192.0.2.1: EOF")
		want := "[DEBUG] lines of a library were left out: count=991\n" +
			"[DEBUG] a library says: text=\"http: TLS handshake error from 192.0.2.1: EOF\"\n"
		if out.String() != want {
			t.Errorf("after it:\n%s", out)
		}
	})
}

// Below its level a log is told nothing, and nothing is counted against the pace of
// what is logged once the level changes.
func TestLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, out := logger(hclog.Info)
		l := New(to)
		for i := range 100 {
			l.Print("packets.go:", i, " unexpected EOF")
		}
		if out.Len() > 0 {
			t.Errorf("at level info:\n%s", out)
		}
		to.SetLevel(hclog.Debug)
		l.Print("packets.go:", 122, " unexpected EOF")
		if want := "[DEBUG] a library says: text=\"packets.go:122 unexpected EOF\"\n"; out.String() != want {
			t.Errorf("%s", fmt.Sprint(out))
		}
	})
}
