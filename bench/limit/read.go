package limit

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport"
)

// Reader is a websocket server that reads frames and drops them.
type Reader struct {
	Decode   bool // as the daemon's transport does
	frames   atomic.Int64
	messages atomic.Int64 // where they are decoded
	faults   atomic.Int64
	group    sync.WaitGroup
}

// Counts says how many frames and messages were read so far. Those of a connection
// count once it has ended.
func (r *Reader) Counts() (frames, messages int64, err error) {
	if n := r.faults.Load(); n > 0 {
		return 0, 0, errors.New("some messages or connections were at fault")
	}
	return r.frames.Load(), r.messages.Load(), nil
}

// Serve serves connections until ctx ends and all clients have gone.
func (r *Reader) Serve(ctx context.Context, l net.Listener) error {
	server := http.Server{Handler: http.HandlerFunc(r.accept)}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	err := server.Serve(l)
	r.group.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// accept frees what the HTTP server holds for the connection, as the transport
// does.
func (r *Reader) accept(rw http.ResponseWriter, req *http.Request) {
	c, err := websocket.Accept(rw, req, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		r.faults.Add(1)
		return
	}
	c.SetReadLimit(-1)
	r.group.Go(func() { r.read(c) })
}

// bufferSize is what the transport's buffer begins with, and growth what is added
// where a frame is larger.
const bufferSize = 4 << 10

// decoding is what a connection that decodes needs while it has a frame in hand.
type decoding struct {
	buf     []byte
	decoder *transport.Decoder
	message engine.Message
}

var decodings = sync.Pool{New: func() any {
	return &decoding{buf: make([]byte, bufferSize), decoder: transport.NewDecoder()}
}}

func (r *Reader) read(c *websocket.Conn) {
	defer func() { _ = c.CloseNow() }()
	frames, messages := int64(0), int64(0)
	defer func() { r.frames.Add(frames); r.messages.Add(messages) }()
	for {
		_, in, err := c.Reader(context.Background())
		if err != nil {
			if websocket.CloseStatus(err) != websocket.StatusNormalClosure {
				r.faults.Add(1)
			}
			return
		}
		d := decodings.Get().(*decoding)
		n, err := d.fill(in)
		if err != nil {
			r.faults.Add(1)
			return
		}
		frames++
		if r.Decode {
			messages += r.decode(d, n)
		}
		decodings.Put(d)
	}
}

// fill reads a frame to its end.
func (d *decoding) fill(in io.Reader) (n int, err error) {
	for {
		if n == len(d.buf) {
			grown := make([]byte, 2*len(d.buf))
			copy(grown, d.buf)
			d.buf = grown
		}
		got, err := in.Read(d.buf[n:])
		n += got
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

func (r *Reader) decode(d *decoding, n int) (messages int64) {
	d.decoder.Reset(d.buf[:n])
	for {
		switch err := d.decoder.Next(&d.message); {
		case err == nil:
			messages++
		case errors.Is(err, io.EOF):
			return messages
		default:
			r.faults.Add(1)
			return messages
		}
	}
}
