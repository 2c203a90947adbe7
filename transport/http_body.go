package transport

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// zstdWindow is how far back a body of zstd may refer; every decoder must take that.
const zstdWindow = 8 << 20

// bodyRate is how many bytes of a body must come for it to have a second more. It
// never has more than the timeout from now: what came fast earns no long rest.
const bodyRate = 16 << 10

// unpacker decompresses bodies, a few at a time: each is in memory whole before, so
// it waits for nobody's network, and a processor does one at a time anyway.
type unpacker struct {
	bodies *bodies
	limit  int // of what comes out
	slots  chan *gzip.Reader
	zstd   *zstd.Decoder // has no memory of its own while nothing is decompressed
}

func newUnpacker(b *bodies, limit, n int) *unpacker {
	u := &unpacker{bodies: b, limit: limit, slots: make(chan *gzip.Reader, n)}
	for range n {
		u.slots <- nil
	}
	largest := uint64(max(limit, zstdWindow)) // the library allows no larger window than memory
	var err error
	u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(n),
		zstd.WithDecoderMaxMemory(largest), zstd.WithDecoderMaxWindow(largest), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err) // only options can be wrong, and these are not
	}
	return u
}

// The values of Content-Encoding that are taken.
const (
	encodingGzip = "gzip"
	encodingZstd = "zstd"
	encodings    = encodingGzip + ", " + encodingZstd
)

// encodingOf gives the encoding of a body, empty where it is as it is.
func encodingOf(h http.Header) (string, bool) {
	switch e := strings.ToLower(strings.Join(h.Values("Content-Encoding"), ",")); e {
	case "", "identity":
		return "", true
	case encodingGzip, "x-gzip":
		return encodingGzip, true
	case encodingZstd:
		return encodingZstd, true
	}
	return "", false
}

// packedAs gives the encoding of a body that says itself what it is.
func packedAs(body []byte) string {
	switch {
	case bytes.HasPrefix(body, []byte("\x1f\x8b")):
		return encodingGzip
	case bytes.HasPrefix(body, []byte("\x28\xb5\x2f\xfd")):
		return encodingZstd
	}
	return ""
}

// unpack decompresses packed, which it takes.
func (u *unpacker) unpack(encoding string, packed []byte) ([]byte, error) {
	if encoding == "" {
		return packed, nil
	}
	defer u.bodies.put(packed)
	g := <-u.slots
	defer func() { u.slots <- g }()
	if encoding == encodingZstd {
		return u.unzstd(packed)
	}
	if g == nil {
		g = new(gzip.Reader)
	}
	if err := g.Reset(bytes.NewReader(packed)); err != nil {
		return nil, err
	}
	return u.bodies.read(g, 4*len(packed), u.limit)
}

// zstdBlock is how much a block of zstd may hold.
const zstdBlock = 128 << 10

// unzstd decompresses into a buffer of the size that the body claims, or else into
// ever larger ones: the library takes none beyond it. Of what does not fit, it says
// no more than that something is wrong; only in the largest, which has room for a
// block too many, that it is too much.
func (u *unpacker) unzstd(packed []byte) ([]byte, error) {
	most := max(u.limit, zstdWindow) + zstdBlock
	size := min(4*len(packed), keptBody)
	var head zstd.Header
	if err := head.Decode(packed); err == nil && head.HasFCS {
		size = int(min(head.FrameContentSize, uint64(most)))
	}
	for {
		buf, err := u.bodies.get(max(size, leastBody))
		if err != nil {
			return nil, err
		}
		plain, err := u.zstd.DecodeAll(packed, buf)
		if err == nil && len(plain) <= u.limit {
			return plain, nil
		}
		u.bodies.put(buf)
		if err == nil || errors.Is(err, zstd.ErrDecoderSizeExceeded) && cap(buf) >= most {
			return nil, errBodyTooLarge
		}
		if cap(buf) >= most {
			return nil, err
		}
		size = min(4*cap(buf), most)
	}
}

// upload reads a body from its client, which may not take for ever.
type upload struct {
	body    io.Reader
	control *http.ResponseController
	ends    func() bool // nothing more is to be routed
	timeout time.Duration
	due     time.Time // when the next byte must be here
	until   time.Time // the deadline that is set
}

func (u *upload) Read(p []byte) (int, error) {
	// A deadline that is a little early is put off; one for each read would be waste.
	if u.due.Sub(u.until) > u.timeout/8 {
		u.until = u.due
		_ = u.control.SetReadDeadline(u.due)
		if u.ends() {
			_ = u.control.SetReadDeadline(time.Now())
		}
	}
	n, err := u.body.Read(p)
	u.due = u.due.Add(time.Duration(n) * time.Second / bodyRate)
	if most := time.Now().Add(u.timeout); u.due.After(most) {
		u.due = most
	}
	return n, err
}

// body reads the body of a request and decompresses it. The caller gives it back.
func (h *HTTP) body(rw http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	limit := int(h.config.MaxBodySize)
	if r.ContentLength > int64(limit) {
		return nil, h.tooLarge()
	}
	encoding, ok := encodingOf(r.Header)
	if !ok {
		rw.Header().Set("Accept-Encoding", encodings)
		return nil, &refusal{
			status: http.StatusUnsupportedMediaType,
			text:   fmt.Sprintf("the content encoding %.64q is not known: it must be one of %s, or none", r.Header.Get("Content-Encoding"), encodings),
		}
	}
	up := &upload{
		body: r.Body, control: http.NewResponseController(rw), due: time.Now().Add(h.config.BodyTimeout), timeout: h.config.BodyTimeout,
		ends: func() bool { return h.ctx.Err() != nil },
	}
	cut := make(chan struct{})
	stop := context.AfterFunc(h.ctx, func() {
		defer close(cut)
		_ = up.control.SetReadDeadline(time.Now())
	})
	packed, err := h.bodies.read(up, int(max(r.ContentLength, 0)), limit)
	if !stop() {
		<-cut
	}
	if err != nil {
		return nil, h.noBody(err)
	}
	// From here on the deadline would be taken for the client's end.
	_ = up.control.SetReadDeadline(time.Time{})
	if is := packedAs(packed); encoding == "" && is != "" {
		h.bodies.put(packed)
		return nil, &refusal{
			status: http.StatusBadRequest, text: "the body is compressed, and nothing says so: send Content-Encoding: " + is,
		}
	}
	plain, err := h.unpacker.unpack(encoding, packed)
	if err == nil && len(bytes.TrimLeft(plain, " \t\r\n")) == 0 {
		h.bodies.put(plain)
		return nil, &refusal{status: http.StatusBadRequest, text: "the body is empty"}
	}
	switch {
	case err == nil:
		return plain, nil
	case errors.Is(err, errNoRoom), errors.Is(err, errBodyTooLarge):
		return nil, h.noBody(err)
	}
	return nil, &refusal{
		status: http.StatusBadRequest, text: "the body is not what its Content-Encoding says: " + err.Error(),
	}
}

// noBody says how a body is answered that could not be read.
func (h *HTTP) noBody(err error) *refusal {
	switch {
	case errors.Is(err, errBodyTooLarge):
		return h.tooLarge()
	case errors.Is(err, errNoRoom):
		h.turnedAway(codeOverloaded)
		return &refusal{status: http.StatusServiceUnavailable, text: err.Error() + ": try again"}
	case h.ctx.Err() != nil:
		return draining()
	case errors.Is(err, os.ErrDeadlineExceeded):
		h.stats.slow.Add(1)
		return &refusal{status: http.StatusRequestTimeout, text: "the body comes too slowly"}
	}
	return &refusal{status: http.StatusBadRequest, text: "the body cannot be read: " + err.Error()}
}

func (h *HTTP) tooLarge() *refusal {
	return &refusal{
		status: http.StatusRequestEntityTooLarge,
		text:   fmt.Sprintf("the body is larger than max_body_size, %v: send it in parts", h.config.MaxBodySize),
	}
}
