package load

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"
)

// conn is one connection to the server.
type conn struct {
	net.Conn
	in    *bufio.Reader
	train *train
	ids   idSet
	sent  int // messages

	write sync.Mutex // pongs come between
	acks  []int      // of each of its ids, in turn: how many are acked
	acked int        // in all; the reader's until it has ended
	ended chan error // the answer to the last flush or close came, or an error
}

// dialTimeout bounds the making of one connection.
const dialTimeout = 30 * time.Second

// dial connects, and shakes hands by hand: with a library every connection would
// have buffers that nobody needs.
func dial(c Config, number int) (*conn, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	nc, err := net.DialTimeout("tcp", u.Host, dialTimeout)
	if err != nil {
		return nil, err
	}
	path := u.RequestURI()
	if c.Numbered {
		path += fmt.Sprintf("?client=bench-%d", number)
	}
	x := &conn{
		Conn: nc, in: bufio.NewReaderSize(nc, 2<<10),
		train: newTrain(c, number), ids: c.idsOf(number), ended: make(chan error, 1),
	}
	if c.Numbered {
		x.acks = make([]int, x.ids.of)
	}
	if err := x.shake(u.Host, path); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return x, nil
}

func (x *conn) shake(host, path string) error {
	_ = x.SetDeadline(time.Now().Add(dialTimeout))
	defer func() { _ = x.SetDeadline(time.Time{}) }()
	_, err := fmt.Fprintf(x.Conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n", path, host)
	if err != nil {
		return err
	}
	status, err := x.in.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(status, "HTTP/1.1 101 ") {
		return errors.New(strings.TrimSpace(status))
	}
	for line := status; line != "\r\n"; {
		if line, err = x.in.ReadString('\n'); err != nil {
			return err
		}
	}
	return nil
}

// send sends the next frames, at most n.
func (x *conn) send(n int) error {
	n = min(n, x.train.frames())
	b := x.train.fill(x.ids, x.sent, n)
	x.write.Lock()
	defer x.write.Unlock()
	if _, err := x.Write(b); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	x.sent += n * x.train.perFrame
	return nil
}

// finish sends what asks for the last answer.
func (x *conn) finish(closing bool) error {
	const flush = `{"op":"flush"}`
	if closing {
		return x.control(frameClose, []byte{3, 232}) // 1000: normal
	}
	return x.control(frameText, []byte(flush))
}

func (x *conn) control(first byte, payload []byte) error {
	x.write.Lock()
	defer x.write.Unlock()
	_, err := x.Write(append(appendMasked(nil, first, len(payload)), payload...))
	return err
}

// read reads answers until the last one is there. It is a goroutine of its own.
func (x *conn) read() {
	var buf []byte
	for {
		first, payload, err := readFrame(x.in, buf)
		if err != nil {
			x.ended <- fmt.Errorf("read: %w", err)
			return
		}
		buf = payload[:0]
		switch first {
		case frameText:
			last, err := x.answer(payload)
			if err != nil || last {
				x.ended <- err
				return
			}
		case framePing:
			err = x.control(framePong, payload)
		case frameClose:
			if len(payload) >= 2 && binary.BigEndian.Uint16(payload) != 1000 {
				err = fmt.Errorf("closed by the server: %d %s", binary.BigEndian.Uint16(payload), payload[2:])
			}
			x.ended <- err
			return
		}
		if err != nil {
			x.ended <- err
			return
		}
	}
}

// readFrame reads one frame of a server into buf, or a larger one.
func readFrame(in *bufio.Reader, buf []byte) (first byte, payload []byte, err error) {
	var head [8]byte
	if _, err = io.ReadFull(in, head[:2]); err != nil {
		return 0, nil, err
	}
	first = head[0]
	n := int(head[1])
	switch n {
	case 126:
		_, err = io.ReadFull(in, head[:2])
		n = int(binary.BigEndian.Uint16(head[:]))
	case 127:
		_, err = io.ReadFull(in, head[:8])
		n = int(binary.BigEndian.Uint64(head[:]))
	}
	if err != nil {
		return 0, nil, err
	}
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	payload = buf[:n]
	_, err = io.ReadFull(in, payload)
	return first, payload, err
}

var (
	ackHead   = []byte(`{"op":"ack","id":`)
	ackMiddle = []byte(`,"seq":`)
	flushed   = []byte(`{"op":"flush"}`)
)

// answer takes one answer, and says whether it was the last. It must be an ack or
// the answer to the flush: a load that is refused measures nothing.
func (x *conn) answer(b []byte) (last bool, err error) {
	if bytes.Equal(b, flushed) {
		return true, nil
	}
	rest, ok := bytes.CutPrefix(b, ackHead)
	id, rest, isID := cutNumber(rest)
	rest, isSeq := bytes.CutPrefix(rest, ackMiddle)
	seq, _, isNumber := cutNumber(rest)
	place, mine := x.ids.place(id - firstID)
	if !ok || !isID || !isSeq || !isNumber || !mine || x.acks == nil {
		return false, fmt.Errorf("the server says %s", b)
	}
	n := seq - firstSeq + 1
	if n <= x.acks[place] {
		return false, fmt.Errorf("id %d: %d is acked after %d", id, n, x.acks[place])
	}
	x.acked += n - x.acks[place]
	x.acks[place] = n
	return false, nil
}

// cutNumber takes the number at the beginning of b.
func cutNumber(b []byte) (n int, rest []byte, ok bool) {
	i := 0
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		n = 10*n + int(b[i]-'0')
	}
	return n, b[i:], i > 0
}
