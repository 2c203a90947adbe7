package drill

import (
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strconv"
	"time"
)

// Run names the messages of one drill: no other has the same.
type Run string

// Key is what order is promised for: one stream, as one sender wrote it. Its
// messages count from 1.
type Key struct {
	Sender string
	ID     string
}

// fillers are what payloads are made of: everything that a careless program would
// rewrite.
var fillers = []string{
	`"x":1.0`, `"x":1e2`, `"x":-0`, `"x":123456789012345678901234567890`, `"x" : [ 1 ,2, {} ]`,
	`"x":"\u0041\/\""`, `"x":"æ 漢字 😀"`, `"x":"\ud83d\ude00"`, `"x":"'; DROP TABLE messages; --"`,
	`"x":"\\0 %s ? \u0000"`, `"a":1,"a":2`, `"x":"  trailing  "`, "\"x\":\n\t[null,true]", `"x":null`,
}

// Payload is the data of message n of k.
func (r Run) Payload(k Key, n int64) []byte {
	h := fnv.New64a()
	for _, part := range []string{string(r), k.Sender, k.ID} {
		_, _ = io.WriteString(h, part)
		_, _ = h.Write([]byte{0})
	}
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	sum := h.Sum64()
	rng := rand.New(rand.NewPCG(sum, 1))

	b := make([]byte, 0, 256)
	b = append(append(append(b, `{"run":"`...), r...), `","sender":"`...)
	b = append(append(b, k.Sender...), `","n":`...)
	b = append(strconv.AppendInt(b, n, 10), `,"sum":"`...)
	b = append(strconv.AppendUint(b, sum, 16), '"')
	for range rng.IntN(3) {
		b = append(append(b, ','), fillers[rng.IntN(len(fillers))]...)
	}
	if rng.IntN(50) == 0 {
		b = append(b, `,"long":"`...)
		for range rng.IntN(200) {
			b = append(b, "0123456789"...)
		}
		b = append(b, '"')
	}
	return append(b, '}')
}

// Code is the code of message n.
func Code(n int64) int64 { return n%9 - 4 }

// Time is when message n says that it happened.
func Time(n int64) time.Time { return time.UnixMicro(1_715_050_000_000_000 + n).UTC() }

// origin reads from a payload whose it is, and which one; ok is false where it is
// none of this run.
func (r Run) origin(data string) (sender string, n int64, ok bool) {
	var d struct {
		Run    Run
		Sender string
		N      int64
	}
	err := json.Unmarshal([]byte(data), &d)
	return d.Sender, d.N, err == nil && d.Run == r
}
