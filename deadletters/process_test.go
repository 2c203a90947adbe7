package deadletters

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/long"
)

// What a process of this test binary does, and with which file.
const (
	envPart = "DEADLETTERS_TEST_PART"
	envPath = "DEADLETTERS_TEST_PATH"
)

var parts = map[string]func(path string) error{
	"die":    keepAndDie,
	"stream": keepMany,
	"traced": keepTraced,
}

// keepAndDie keeps three letters at once, and is dead before anything else happens.
func keepAndDie(path string) error {
	s, err := Open(bg, path, Options{})
	if err != nil {
		return err
	}
	pid := int64(os.Getpid())
	err = s.Keep(bg, []engine.DeadLetter{letter("a", pid), letter("b", pid), letter("c", pid)})
	if err != nil {
		return err
	}
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// keepMany keeps letters from several goroutines for ever, and says of each that it
// is kept.
func keepMany(path string) error {
	s, err := Open(bg, path, Options{})
	if err != nil {
		return err
	}
	var callers sync.WaitGroup
	errs := make([]error, 4)
	var out sync.Mutex
	for i := range errs {
		callers.Go(func() {
			id := fmt.Sprintf("%d-%d", os.Getpid(), i)
			for n := int64(1); errs[i] == nil; n++ {
				if errs[i] = s.Keep(bg, []engine.DeadLetter{letter(id, n)}); errs[i] == nil {
					out.Lock()
					_, errs[i] = fmt.Fprintf(os.Stdout, "%s %d\n", id, n)
					out.Unlock()
				}
			}
		})
	}
	callers.Wait()
	return errors.Join(errs...)
}

func part(t *testing.T, name, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envPart+"="+name, envPath+"="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

// A letter is on disk once Keep has returned: the process that kept it is killed in
// the same moment.
func TestKeptLettersOutliveTheirProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead-letters.db")
	rounds := long.Scale(10, 200)
	for range rounds {
		cmd := part(t, "die", path)
		err := cmd.Run()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			t.Fatalf("the process was not killed: %v", err)
		}
	}
	total(t, openStore(t, path), int64(3*rounds))
}

// Several processes keep letters in one file at the same time, and are killed in the
// midst of it. Every letter of which one of them had said that it is kept is there,
// and none is damaged.
func TestSeveralProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead-letters.db")
	said := make(map[string]int64)
	var mu sync.Mutex
	for range long.Scale(2, 50) {
		var readers sync.WaitGroup
		for range 3 {
			cmd := part(t, "stream", path)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			readers.Go(func() {
				lines := bufio.NewScanner(out)
				for n := 0; lines.Scan(); n++ {
					id, seq, _ := strings.Cut(lines.Text(), " ")
					number, err := strconv.ParseInt(seq, 10, 64)
					if err != nil {
						continue // the end of the last line is missing
					}
					mu.Lock()
					said[id] = max(said[id], number)
					mu.Unlock()
					if n == 50 {
						_ = cmd.Process.Kill()
					}
				}
				_ = cmd.Wait()
			})
		}
		readers.Wait()
	}
	s := openStore(t, path)
	last := make(map[string]int64)
	for _, l := range all(t, s, Filter{}) {
		if l.Message.Seq != last[l.Message.ID]+1 {
			t.Fatalf("letter %d of %s comes after %d", l.Message.Seq, l.Message.ID, last[l.Message.ID])
		}
		last[l.Message.ID] = l.Message.Seq
	}
	kept := int64(0)
	for id, n := range said {
		if last[id] < n {
			t.Errorf("%s: %d letters were kept, %d are there", id, n, last[id])
		}
		kept += n
	}
	if kept < 100 {
		t.Errorf("only %d letters were kept: that proves nothing", kept)
	}
}
