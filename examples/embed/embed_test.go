package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Two clients send to three streams; then the program is told to stop.
func Example() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	sink, ended := &totals{}, make(chan error)
	go func() { ended <- run(ctx, listener, sink, engine.DefaultOptions()) }()

	var clients sync.WaitGroup
	for range 2 {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			fmt.Println(err)
			return
		}
		clients.Go(func() {
			defer func() { _ = conn.Close() }()
			for n := range 300 {
				fmt.Fprintf(conn, "sensor-%d\t%d\t%d\n", n%3, n, n)
			}
			answers := bufio.NewScanner(conn)
			for n := 0; n < 300 && answers.Scan(); n++ {
			}
		})
	}
	clients.Wait() // all is answered: 100 is a multiple of the batch size
	interrupt()
	fmt.Println(<-ended)
	fmt.Print(sink)
	// Output:
	// <nil>
	// sensor-0: 200 messages, 29700 in all
	// sensor-1: 200 messages, 29900 in all
	// sensor-2: 200 messages, 30100 in all
}

// What was accepted is stored when the program stops, and answered; what the sink
// refuses is answered, too, and costs its neighbours nothing.
func TestStop(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	sink, ended := &totals{}, make(chan error)
	go func() { ended <- run(ctx, listener, sink, engine.DefaultOptions()) }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	fmt.Fprint(conn, "a\t1\t5\na\t2\t\"five\"\na\t3\t6\na\tx\t7\n")
	answers := bufio.NewReader(conn)
	got, _ := answers.ReadString('\n') // its line was the last: all were read
	interrupt()
	for {
		line, err := answers.ReadString('\n')
		if err != nil {
			break
		}
		got += line
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	want := []string{
		"no\ta\tx\tstrconv.ParseInt: parsing \"x\": invalid syntax",
		"ok\ta\t1",
		"no\ta\t2\tjson: cannot unmarshal string into Go value of type float64",
		"ok\ta\t3",
	}
	if got != strings.Join(want, "\n")+"\n" {
		t.Errorf("answers are\n%s", got)
	}
	if s := sink.String(); s != "a: 2 messages, 11 in all\n" {
		t.Error(s)
	}
}

func TestConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Subject{
		New: func(t testing.TB) (engine.Transport, transporttest.Dial) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			return &lines{listener}, func(ctx context.Context) (transporttest.Sender, error) {
				var d net.Dialer
				conn, err := d.DialContext(ctx, "tcp", listener.Addr().String())
				return sender{conn, bufio.NewReader(conn)}, err
			}
		},
	})
}

// sender is a client for the kit.
type sender struct {
	conn    net.Conn
	answers *bufio.Reader
}

func (s sender) Send(_ context.Context, rs ...transporttest.Report) error {
	var b []byte
	for _, r := range rs {
		b = fmt.Appendf(b, "%s\t%d\t%s\n", r.ID, r.Seq, r.Data)
	}
	_, err := s.conn.Write(b)
	return err
}

func (s sender) Receive(ctx context.Context) (transporttest.Answer, error) {
	defer context.AfterFunc(ctx, func() { _ = s.conn.Close() })()
	line, err := s.answers.ReadString('\n')
	if err != nil {
		return transporttest.Answer{}, err
	}
	f := strings.Split(strings.TrimSpace(line), "\t")
	a := transporttest.Answer{ID: f[1], Failed: f[0] != "ok"}
	_, err = fmt.Sscan(f[2], &a.Seq)
	return a, err
}

func (s sender) Vanish() { _ = s.conn.Close() }
