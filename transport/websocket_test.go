package transport

import (
	"testing"

	"github.com/coder/websocket"
)

func TestReportsAreAcked(t *testing.T) {
	s := serve(t, nil)
	c := s.dial("?client=phone-7")
	c.send(`{"op":"report","id":17,"time":"1715050000","seq":42,"data":{"conn_ip":"10.0.0.1","id":17},"code":3}`)
	c.expect(`{"op":"ack","id":17,"seq":42}`)
	m := s.waitMessages(1)[0]
	if m.ID != "17" || m.Seq != 42 || m.Tag != 42 || m.Client != "phone-7" || m.Op != "report" || m.Code != 3 ||
		m.Time.Unix() != 1715050000 || string(m.Data) != `{"conn_ip":"10.0.0.1","id":17}` || m.Remote == "" {
		t.Errorf("routed %+v", m)
	}
	s.drain()
	c.expectClose(websocket.StatusGoingAway)
	s.waitServed()
}
