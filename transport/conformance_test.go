package transport

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport/transporttest"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Subject{
		New: func(t testing.TB) (engine.Transport, transporttest.Dial) {
			w, err := ListenWebSocket(testConfig())
			if err != nil {
				t.Fatal(err)
			}
			return w, func(ctx context.Context) (transporttest.Sender, error) {
				conn, _, err := websocket.Dial(ctx, w.URL(), nil)
				return socketSender{conn}, err
			}
		},
	})
}

// socketSender is a websocket client for the kit.
type socketSender struct{ conn *websocket.Conn }

func (s socketSender) Send(ctx context.Context, rs ...transporttest.Report) error {
	b, err := lines(rs)
	if err != nil {
		return err
	}
	return s.conn.Write(ctx, websocket.MessageText, b)
}

// lines are the messages as a client writes them.
func lines(rs []transporttest.Report) (b []byte, err error) {
	for _, r := range rs {
		id, err := json.Marshal(r.ID)
		if err != nil {
			return nil, err
		}
		b = fmt.Appendf(b, "{\"id\":%s,\"seq\":%d,\"data\":%s}\n", id, r.Seq, r.Data)
	}
	return b, nil
}

func (s socketSender) Receive(ctx context.Context) (transporttest.Answer, error) {
	_, b, err := s.conn.Read(ctx)
	if err != nil {
		return transporttest.Answer{}, err
	}
	var a struct {
		Op, ID string
		Seq    int64
	}
	err = json.Unmarshal(b, &a)
	return transporttest.Answer{ID: a.ID, Seq: a.Seq, Failed: a.Op == "error"}, err
}

func (s socketSender) Vanish() { _ = s.conn.CloseNow() }
