package ladder

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// Without locks the process ends.
func TestMapCrashes(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), envChild+"="+prepared(t))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var senders sync.WaitGroup
	for i := range 8 {
		c, _, err := websocket.Dial(t.Context(), "ws://"+strings.TrimSpace(addr)+"/ws", nil)
		if err != nil {
			break // it has ended already
		}
		senders.Go(func() {
			defer func() { _ = c.CloseNow() }()
			for n := 0; write(t.Context(), c, i*1000+n%1000, n) == nil; n++ {
			}
		})
	}
	senders.Wait()
	if err := cmd.Wait(); err == nil || !strings.Contains(stderr.String(), "concurrent map") {
		t.Errorf("%v\n%s", err, stderr.String())
	}
}
