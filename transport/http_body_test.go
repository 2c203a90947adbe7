package transport

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport/transporttest"
)

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t testing.TB, text string, opts ...zstd.EOption) string {
	t.Helper()
	w, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	return string(w.EncodeAll([]byte(text), nil))
}

// streamed is zstd as a program writes it that does not know the length.
func streamed(t testing.TB, text string, opts ...zstd.EOption) string {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, opts...)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{text[:len(text)/2], text[len(text)/2:]} {
		if _, err := io.WriteString(w, part); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What is compressed is decompressed, up to a bound, whatever it claims.
func TestEncodings(t *testing.T) {
	s := serveHTTP(t, func(c *HTTPConfig) { c.MaxBodySize = 1 * engine.MiB })
	line := `{"id":"some","data":"0123456789012345678901234567890123456789"}` + "\n"
	text := strings.Repeat(line, 1000)
	const taken = `{"messages":1000,"stored":1000}`
	bomb := strings.Repeat(" ", 1<<20+1)
	fits := "[]" + strings.Repeat(" ", 1<<20-2)
	for _, c := range []struct {
		name, encoding, body string
		status               int
		want                 string
	}{
		{"identity", "identity", text, 200, taken},
		{"gzip", "gzip", gzipped(t, text), 200, taken},
		{"gzip by its old name, in capitals", "X-GZIP", gzipped(t, text), 200, taken},
		{"gzip in two members", "gzip", gzipped(t, text[:100*len(line)]) + gzipped(t, text[100*len(line):]), 200, taken},
		{"zstd", "zstd", zstded(t, text), 200, taken},
		{"zstd of one segment", "zstd", zstded(t, text, zstd.WithSingleSegment(true)), 200, taken},
		{"zstd, streamed", "zstd", streamed(t, text), 200, taken},
		{"zstd in two frames", "zstd", zstded(t, text[:100*len(line)]) + streamed(t, text[100*len(line):]), 200, taken},
		{"zstd with a window of 8 MiB", "zstd", streamed(t, text, zstd.WithWindowSize(8<<20)), 200, taken},
		{"as large as may be", "", fits, 200, `{"messages":0,"stored":0}`},
		{"gzip, as large as may be", "gzip", gzipped(t, fits), 200, `{"messages":0,"stored":0}`},
		{"zstd, as large as may be", "zstd", streamed(t, fits), 200, `{"messages":0,"stored":0}`},
		{"too large", "", bomb, 413, "max_body_size, 1MiB"},
		{"a bomb of gzip", "gzip", gzipped(t, bomb), 413, "max_body_size"},
		{"a bomb of gzip in members", "gzip", strings.Repeat(gzipped(t, bomb[:1<<19]), 3), 413, "max_body_size"},
		{"nothing, over and over", "gzip", strings.Repeat(gzipped(t, ""), 100), 400, "empty"},
		{"a bomb of zstd", "zstd", zstded(t, bomb), 413, "max_body_size"},
		{"a bomb of zstd, streamed", "zstd", streamed(t, bomb), 413, "max_body_size"},
		{"a bomb of zstd of 64 MiB", "zstd", streamed(t, strings.Repeat(" ", 64<<20)), 413, "max_body_size"},
		{"a bomb of zstd in frames", "zstd", strings.Repeat(zstded(t, bomb[:1<<19]), 3), 413, "max_body_size"},
		{"a bomb of zstd in frames of unknown length", "zstd", strings.Repeat(streamed(t, bomb[:1<<19]), 3), 413, "max_body_size"},
		{"a bomb of zstd of many lines", "zstd", streamed(t, strings.Repeat(text, 20)), 413, "max_body_size"},
		{"zstd in frames of unknown length", "zstd", streamed(t, text[:100*len(line)]) + streamed(t, text[100*len(line):]), 200, taken},
		{"zstd in frames, of which the first is small", "zstd", zstded(t, text[:len(line)]) + zstded(t, text[len(line):]), 200, taken},
		{"a window of 64 MiB", "zstd", streamed(t, text, zstd.WithWindowSize(64<<20)), 400, "window size exceeded"},
		{"a claim of 4 GiB", "zstd", "\x28\xb5\x2f\xfd\xa0\xff\xff\xff\xff", 413, "max_body_size"},
		{"no gzip", "gzip", text, 400, "not what its Content-Encoding says"},
		{"gzip that is not told", "", gzipped(t, text), 400, "send Content-Encoding: gzip"},
		{"zstd that is not told", "identity", zstded(t, text), 400, "send Content-Encoding: zstd"},
		{"no zstd", "zstd", text, 400, "not what its Content-Encoding says"},
		{"gzip that is cut", "gzip", gzipped(t, text)[:60], 400, "not what its Content-Encoding says"},
		{"zstd that is cut", "zstd", zstded(t, text)[:40], 400, "not what its Content-Encoding says"},
		{"gzip with a wrong sum", "gzip", strings.TrimSuffix(gzipped(t, line), "\x00") + "\x01", 400, "not what its Content-Encoding says"},
		{"another one", "br", text, 415, "gzip, zstd"},
		{"two at once", "gzip, zstd", text, 415, "gzip, zstd"},
		{"an empty body", "", "", 400, "the body is empty"},
		{"white space", "", " \r\n\t ", 400, "the body is empty"},
		{"an empty body in gzip", "gzip", gzipped(t, ""), 400, "the body is empty"},
		{"an empty body in zstd", "zstd", zstded(t, ""), 400, "the body is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.t = t
			got := s.post("", c.body, "Content-Encoding", c.encoding)
			if c.status == 200 {
				s.want(got, c.status, c.want)
			} else {
				s.wantText(got, c.status, c.want)
			}
			if accept := got.header.Get("Accept-Encoding"); (accept == "gzip, zstd") != (c.status == 415) {
				t.Errorf("Accept-Encoding is %q", accept)
			}
			if n := s.Stats().Bodies; n != 0 {
				t.Errorf("bodies take %d bytes afterwards", n)
			}
		})
	}
	s.t = t
}

// raw is an HTTP client of which the test sees each byte.
type raw struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func (s *httpServer) raw() *raw {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &raw{s.t, conn, bufio.NewReader(conn)}
}

func (c *raw) send(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.conn, format, args...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *raw) answer() answered {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.Close { // it is taken out of the header
		resp.Header.Set("Connection", "close")
	}
	return answered{resp.StatusCode, resp.Header, strings.TrimSpace(string(b))}
}

// closed wants the connection to be closed.
func (c *raw) closed() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err == nil {
		c.t.Fatalf("received %q; want the end", b)
	}
}

const postHead = "POST /v1/messages HTTP/1.1\r\nHost: x\r\n"

// A body that comes too slowly is given up; one that is taken is waited for as long
// as it takes, without a deadline.
func TestSlowBody(t *testing.T) {
	s := serveHTTP(t, func(c *HTTPConfig) { c.BodyTimeout = 50 * time.Millisecond })
	s.router.Hold()
	taken := s.raw()
	taken.send(postHead + "Content-Length: 8\r\n\r\n" + `{"id":1}`)
	s.waitFor("the message", func(st transporttest.State) bool { return len(st.Messages) > 0 })
	for _, head := range []string{"Content-Length: 100\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"} {
		c := s.raw()
		c.send("%s%s", postHead, head)
		s.wantText(c.answer(), 408, "too slowly")
		c.closed()
	}
	if n := s.Stats().CutSlow; n != 2 {
		t.Errorf("%d were slow", n)
	}
	s.router.Release() // by now the deadline of a body has passed twice
	s.want(taken.answer(), 200, `{"messages":1,"stored":1}`)
}

// A body that has come fast earns no long rest: its room is others' soon.
func TestBodyThatStops(t *testing.T) {
	s := serveHTTP(t, func(c *HTTPConfig) { c.BodyTimeout = 50 * time.Millisecond })
	c := s.raw()
	c.send("%sContent-Length: %d\r\n\r\n[]%s", postHead, 8<<20, strings.Repeat(" ", 7<<20)) // 448 times 16 KiB
	s.wantText(c.answer(), 408, "too slowly")
	c.closed()
}

// A steady body has the time that it needs.
func TestSteadyBody(t *testing.T) {
	s := serveHTTP(t, func(c *HTTPConfig) { c.BodyTimeout = 100 * time.Millisecond })
	const parts, size = 40, 4 << 10 // a part has a quarter of a second
	c := s.raw()
	c.send("%sContent-Length: %d\r\n\r\n[]", postHead, 2+parts*size)
	for range parts {
		c.send("%s", strings.Repeat(" ", size))
		<-time.After(10 * time.Millisecond)
	}
	s.want(c.answer(), 200, `{"messages":0,"stored":0}`)
}

// What is refused is refused before its body is asked for.
func TestExpectContinue(t *testing.T) {
	s := serveHTTP(t, nil)
	c := s.raw()
	c.send(postHead + "Expect: 100-continue\r\nContent-Length: 8\r\n\r\n")
	line, err := c.r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatal(line, err)
	}
	if line, err = c.r.ReadString('\n'); line != "\r\n" {
		t.Fatal(line, err)
	}
	c.send(`{"id":1}`)
	s.want(c.answer(), 200, `{"messages":1,"stored":1}`)

	c = s.raw()
	c.send(postHead + "Expect: 100-continue\r\nContent-Length: 8388609\r\n\r\n")
	s.wantText(c.answer(), 413, "8MiB")
	c.closed()
}

// Bodies have so much room together, and are refused where there is none. What is
// accepted takes none of it.
func TestBodiesShareTheirRoom(t *testing.T) {
	s := serveHTTP(t, func(c *HTTPConfig) { c.MaxBodies = leastBodies })
	s.router.Block("blocked")
	large := func(id string) string { return `{"id":"` + id + `"}` + strings.Repeat(" ", 8<<20-20) }
	blocked := s.posting("", large("blocked"))
	s.waitFor("Route to block", func(st transporttest.State) bool { return st.Blocked == 1 })
	got := s.post("", large("x"))
	s.wantText(got, 503, "room")
	if got.header.Get("Retry-After") != "1" {
		t.Error(got.header)
	}
	s.want(s.post("", `{"id":"small"}`), 200, `{"messages":1,"stored":1}`)
	s.want(s.post("", zstded(t, `{"id":"small"}`), "Content-Encoding", "zstd"), 200, `{"messages":1,"stored":1}`)
	s.wantText(s.post("", streamed(t, large("x")), "Content-Encoding", "zstd"), 503, "room")
	s.router.Unblock()
	s.want(s.await(blocked), 200, `{"messages":1,"stored":1}`)
	s.router.Hold()
	held := s.posting("", large("held"))
	s.waitFor("the message", func(st transporttest.State) bool { return st.Messages[len(st.Messages)-1].ID == "held" })
	s.eventually("the room", func() bool { return s.Stats().Bodies == 0 })
	s.router.Release()
	s.want(s.await(held), 200, `{"messages":1,"stored":1}`)
}
