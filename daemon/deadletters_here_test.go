package daemon

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/deadletters"
	"github.com/ingestd/ingestd/engine"
)

// secretSettings is the configuration of a sink that has a password.
type secretSettings struct {
	Password engine.Secret `hcl:"password,optional"`
}

func (secretSettings) Validate() error { return nil }

// replayHere replays one letter, where no daemon runs, into a sink whose Write is
// the test's.
func replayHere(t *testing.T, timeout string, write func(ctx context.Context, batches []engine.Batch) error) (status int, output string) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	keepLetters(t, dir, deadLetter("17", 42, `{"n": 1}`))
	s := &testSink{write: write, closed: make(chan struct{})}
	var out strings.Builder
	status = mainWith([]string{
		"dead-letters", "replay", "--all", "--timeout=" + timeout, "--set=sink=test", "--set=sink.test.password=hunter2",
		"--set=shutdown_timeout=10ms", "--set=delivery.retry_min=1ms", "--set=delivery.retry_max=1ms",
	}, &out, &out, WithSink("test", func() secretSettings { return secretSettings{} },
		func(context.Context, secretSettings, hclog.Logger) (*testSink, error) { return s, nil }))
	select {
	case <-s.closed:
	case <-time.After(patience):
		t.Fatalf("the sink is not closed; exit status %d:\n%s", status, &out)
	}
	return status, out.String()
}

// waiting checks that the letter is still there, and whether it is marked.
func waiting(t *testing.T, marked bool) {
	t.Helper()
	s, err := deadletters.Open(t.Context(), filepath.Join("ingest-data", lettersName), deadletters.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if l, err := s.Get(t.Context(), 1); err != nil || l.Replay != 0 != marked {
		t.Errorf("%+v, %v", l, err)
	}
}

// A sink that is blocked is told at once: waiting does not help.
func TestReplayIntoABlockedSink(t *testing.T) {
	status, output := replayHere(t, "1h", func(context.Context, []engine.Batch) error {
		return engine.Blocked(errors.New("access denied for root:hunter2"))
	})
	if want := "1 dead letter: 0 stored, 0 refused again, 1 waiting.\n" +
		"What waits is sent by the next ingestd run, or by another replay.\n" +
		"ingestd: write to test: access denied for root:********\n"; status != exitOutside || output != want {
		t.Errorf("exit status %d:\n%s", status, output)
	}
	waiting(t, true)
}

// One that fails is tried until nothing has happened for a while.
func TestReplayIntoAFailingSink(t *testing.T) {
	status, output := replayHere(t, "500ms", func(context.Context, []engine.Batch) error {
		return errors.New("connection of root:hunter2 lost")
	})
	// Where the machine is so slow that nothing was tried yet there is no reason.
	why := strings.TrimPrefix(output, "1 dead letter: 0 stored, 0 refused again, 1 waiting.\n"+
		"What waits is sent by the next ingestd run, or by another replay.\n")
	if status != exitFailed || why != "" && why != "ingestd: write to test: connection of root:******** lost\n" {
		t.Errorf("exit status %d:\n%s", status, output)
	}
	waiting(t, true)
}

// What a refusal says goes into the letter without the secrets of the configuration.
func TestReplayRefusedAgain(t *testing.T) {
	status, output := replayHere(t, "1h", func(context.Context, []engine.Batch) error {
		return engine.Permanent(errors.New("root:hunter2 has no such status"))
	})
	if status != exitFailed || output != "1 dead letter: 0 stored, 1 refused again.\nRun \"ingestd dead-letters list\" to see the reasons.\n" {
		t.Errorf("exit status %d:\n%s", status, output)
	}
	waiting(t, false)
	s, err := deadletters.Open(t.Context(), filepath.Join("ingest-data", lettersName), deadletters.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if l, err := s.Get(t.Context(), 1); err != nil || l.Reason != "root:******** has no such status" || l.Sink != "test" {
		t.Errorf("%+v, %v", l, err)
	}
}
