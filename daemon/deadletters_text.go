package daemon

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ingestd/ingestd/deadletters"
)

// printable makes text safe for a terminal: what is no printable character is
// written as in a Go string. It is cut after most characters.
func printable(text string, most int) string {
	var out strings.Builder
	for n, i := 0, 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		piece := text[i : i+size]
		switch {
		case r == utf8.RuneError && size == 1:
			piece = fmt.Sprintf(`\x%02x`, text[i])
		case !unicode.IsPrint(r):
			piece = strings.Trim(strconv.QuoteRune(r), "'")
		}
		if n += utf8.RuneCountInString(piece); n > most {
			return out.String() + "…"
		}
		out.WriteString(piece)
		i += size
	}
	return out.String()
}

// letterJSON is a letter as a JSON object, but for its data.
type letterJSON struct {
	Number    int64     `json:"number"`
	Kind      string    `json:"kind"`
	ID        string    `json:"id"`
	Seq       int64     `json:"seq"`
	Client    string    `json:"client"`
	Op        string    `json:"op"`
	Code      int64     `json:"code"`
	Sent      time.Time `json:"sent_at"`
	Received  time.Time `json:"received_at"`
	Remote    string    `json:"remote"`
	Sender    string    `json:"sender"`
	Reason    string    `json:"reason"`
	ErrorCode string    `json:"error_code"`
	Sink      string    `json:"sink"`
	Refused   time.Time `json:"refused_at"`
	Attempts  int64     `json:"attempts"`
	Replay    bool      `json:"replay"` // it waits to be sent again
}

// appendLetter writes l on one line. Data stands there as it was sent, byte for
// byte; where that is not JSON or takes more lines, as data_base64.
func appendLetter(b []byte, l *deadletters.Letter) []byte {
	m := &l.Message
	var head bytes.Buffer
	encoder := json.NewEncoder(&head)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(letterJSON{ // it has nothing that cannot be encoded
		Number: l.Number, Kind: m.Kind.String(), ID: m.ID, Seq: m.Seq, Client: m.Client, Op: m.Op, Code: m.Code,
		Sent: m.Time, Received: m.Received, Remote: m.Remote, Sender: m.Sender,
		Reason: l.Reason, ErrorCode: l.Code, Sink: l.Sink, Refused: l.Refused, Attempts: l.Attempts, Replay: l.Replay != 0,
	})
	b = append(b, bytes.TrimSuffix(head.Bytes(), []byte("}\n"))...)
	switch {
	case !utf8.Valid(m.Data) || !json.Valid(m.Data) || bytes.ContainsAny(m.Data, "\r\n"):
		b = append(b, `,"data_base64":"`...)
		b = base64.StdEncoding.AppendEncode(b, m.Data)
		b = append(b, '"')
	default:
		b = append(append(b, `,"data":`...), m.Data...)
	}
	return append(b, '}')
}
