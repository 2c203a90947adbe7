package e2e

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// badMessage is a frame and what is answered to it.
type badMessage struct {
	name  string
	frame string
	code  string
	want  string // of the answer: id/seq/index, - for none
	retry bool
}

// badMessages can be sent to any daemon by a named client.
var badMessages = []badMessage{
	{"no JSON", `hello`, "bad_json", "-/-/-", false},
	{"empty", ``, "bad_json", "-/-/-", false},
	{"white space", " \n ", "bad_json", "-/-/-", false},
	{"cut off", `{"id":17,"data":{"a":`, "bad_json", "-/-/-", false},
	{"a comma too much", `{"id":17,}`, "bad_json", "-/-/-", false},
	{"not JSON's numbers", `{"id":17,"data":NaN}`, "bad_json", "-/-/-", false},
	{"single quotes", `{'id':17}`, "bad_json", "-/-/-", false},
	{"an array that does not end", `[{"id":17},{"id":17}`, "bad_json", "-/-/-", false},
	{"no object", `17`, "bad_message", "-/-/-", false},
	{"null", `null`, "bad_message", "-/-/-", false},
	{"no id", `{"op":"report","data":{}}`, "bad_message", "-/-/-", false},
	{"an empty id", `{"id":""}`, "bad_message", "-/-/-", false},
	{"id of another type", `{"id":true}`, "bad_message", "-/-/-", false},
	{"id with a fraction", `{"id":1.5}`, "bad_message", "-/-/-", false},
	{"a long id", `{"id":"` + strings.Repeat("x", 256) + `"}`, "bad_message", "-/-/-", false},
	{"a lone surrogate in the id", `{"id":"\ud800"}`, "bad_message", "-/-/-", false},
	{"a key twice", `{"id":17,"op":"report","op":"report"}`, "bad_message", "17/-/-", false},
	{"op of another type", `{"id":17,"seq":5,"op":1}`, "bad_message", "17/5/-", false},
	{"seq of another type", `{"id":17,"seq":"5"}`, "bad_message", "17/-/-", false},
	{"seq 0", `{"id":17,"seq":0}`, "bad_message", "17/-/-", false},
	{"seq too large", `{"id":17,"seq":4611686018427387904}`, "bad_message", "17/-/-", false},
	{"code of another type", `{"id":"a","seq":5,"code":"1"}`, "bad_message", "a/5/-", false},
	{"code too large", `{"id":17,"seq":5,"code":9223372036854775808}`, "bad_message", "17/5/-", false},
	{"no time", `{"id":17,"seq":5,"time":"yesterday"}`, "bad_message", "17/5/-", false},
	{"one of several", `{"id":17,"seq":1}{"id":17,"seq":2,"code":[]}`, "bad_message", "17/2/1", false},
	{"an op that is not known", `{"op":"delete","id":17,"seq":6}`, "unknown_op", "17/6/-", false},
	{"the same of several", `[{"op":"Report","id":"b"},{"op":"flush","id":17}]`, "unknown_op", "b/-/0", false},
	{"what the database refuses", `{"id":"poison","seq":1}`, "rejected", "poison/1/-", false},
	{"the same without a number", `{"id":"poison"}`, "rejected", "poison/-/-", false},
	{"the same key with other data", `{"id":"taken","seq":1,"data":2}`, "conflict", "taken/1/-", false},
	{"the same key with another code", `{"id":"taken","seq":1,"data":1,"code":1}`, "conflict", "taken/1/-", false},
}

func (b badMessage) check(t *testing.T, c *client) {
	t.Helper()
	before := len(c.errorsOf(b.code))
	must(t, c.send(b.frame))
	if b.code == "rejected" || b.code == "conflict" {
		must(t, c.send(`{"op":"flush"}`)) // they are known once they were to be stored
	}
	must(t, c.wait(b.name, func() bool {
		n := 0
		for _, a := range c.answers {
			if a.Op == "error" && a.Code == b.code {
				n++
			}
		}
		return n > before
	}))
	a := c.errorsOf(b.code)[before]
	id, seq, index := "-", "-", "-"
	if a.id() != "" {
		id = a.id()
	}
	if a.Seq != 0 {
		seq = fmt.Sprint(a.Seq)
	}
	if a.Index != nil {
		index = fmt.Sprint(*a.Index)
	}
	if got := id + "/" + seq + "/" + index; got != b.want || a.Retry != b.retry || a.Error == "" {
		t.Errorf("%s: answered %+v, which is about %s", b.name, a, got)
	}
}

// refusal makes the databases refuse the id "poison".
var refusal = map[string]string{
	"sqlite": `CREATE TRIGGER poison BEFORE INSERT ON messages WHEN new.id = 'poison'
		BEGIN SELECT RAISE(ABORT, 'no poison here'); END`,
	"mysql": `CREATE TRIGGER poison BEFORE INSERT ON messages FOR EACH ROW
		IF new.id = 'poison' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no poison here'; END IF`,
}

// Every code that a client alone can provoke. After each the connection works, and
// nothing of what it sends besides is lost.
func TestBadMessages(t *testing.T) {
	bothStores(t, func(t *testing.T, dir string, s *store) {
		d := start(t, dir, append(s.args, "--set=router.batch_wait=50ms")...)
		_, err := s.db.ExecContext(t.Context(), refusal[path.Base(t.Name())])
		must(t, err)
		c := d.dial("?client=a")
		must(t, c.send(`{"id":"taken","seq":1,"data":1}`), c.waitAck("taken", 1))
		for i, bad := range badMessages {
			bad.check(t, c)
			must(t, c.send(fmt.Sprintf(`{"id":"good","seq":%d,"data":%q}`, i+1, bad.name)), c.waitAck("good", int64(i+1)))
		}
		nameless := d.dial("")
		badMessage{"resume without a name", `{"op":"resume","id":17}`, "unsupported", "17/-/-", false}.check(t, nameless)
		must(t, nameless.send(`{"id":"good","seq":1}`), nameless.waitAck("good", 1))
		d.stop()
		if n := s.number("SELECT count(*) FROM messages WHERE id = 'good'"); n != len(badMessages)+1 {
			t.Errorf("%d of %d good messages", n, len(badMessages)+1)
		}
		// And "one of several" brought a good one along.
		if n := s.number("SELECT count(*) FROM messages WHERE id <> 'good'"); n != 2 {
			t.Errorf("%d others", n)
		}
		if data := s.text("SELECT data FROM messages WHERE id = 'taken'"); data != "1" {
			t.Errorf("what was stored became %s", data)
		}
		s.streams()
	})
}

// Where there is no room, a client is told to try again, and what follows the
// refused number is refused as well, until that number comes again.
func TestTooManyStreams(t *testing.T) {
	d := start(t, t.TempDir(), "--set=router.max_streams=1", "--set=router.batch_wait=1h")
	c := d.dial("?client=a")
	must(t, c.send(`{"id":1,"seq":1}`))
	badMessage{"a second stream", `{"id":2,"seq":5}`, "too_many_streams", "2/5/-", true}.check(t, c)
	must(t, c.send(`{"op":"flush","id":1}`), c.waitAck("1", 1))
	badMessage{"after a gap", `{"id":2,"seq":6}`, "too_many_streams", "2/6/-", true}.check(t, c)
	must(t, c.send(`{"id":2,"seq":5}{"id":2,"seq":6}`), c.flush(), c.waitAck("2", 6))
	d.stop()
}

func TestOverloaded(t *testing.T) {
	dir := t.TempDir()
	d := start(t, dir, "--set=router.max_pending=64KiB", "--set=router.when_full=reject", "--set=router.batch_wait=1h")
	s := sqliteStore(t, dir)
	lock, err := s.db.Conn(t.Context())
	must(t, err)
	defer func() { _ = lock.Close() }()
	_, err = lock.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	must(t, err)
	c := d.dial("?client=a")
	n := 0
	for ; len(c.errorsOf("overloaded")) == 0; n++ {
		must(t, c.send(fmt.Sprintf(`{"id":%d,"seq":1,"data":"%04000d"}`, n, 0)), c.mark())
	}
	last := fmt.Sprint(n - 1)
	if a := c.errorsOf("overloaded")[0]; a.id() != last || a.Seq != 1 || !a.Retry {
		t.Errorf("answered %+v", a)
	}
	_, err = lock.ExecContext(t.Context(), "ROLLBACK")
	must(t, err, c.flush())
	must(t, c.send(fmt.Sprintf(`{"id":%d,"seq":1,"data":"%04000d"}`, n-1, 0)), c.flush(), c.waitAck(last, 1))
	d.stop()
	if rows := s.number("SELECT count(*) FROM messages"); rows != n {
		t.Errorf("%d of %d rows", rows, n)
	}
}

// What no answer can mend ends the connection with a code of its own, and keeps
// what came before.
func TestBadFrames(t *testing.T) {
	dir := t.TempDir()
	d := start(t, dir, "--set=transport.websocket.max_message_size=4KiB")
	for i, bad := range []struct {
		typ   websocket.MessageType
		frame string
		code  websocket.StatusCode
	}{
		{websocket.MessageText, "{\"id\":1,\"data\":\"\xff\"}", websocket.StatusInvalidFramePayloadData},
		{websocket.MessageText, `{"id":1,"data":"` + strings.Repeat("x", 5000) + `"}`, websocket.StatusMessageTooBig},
	} {
		c := d.dial("")
		must(t, c.send(fmt.Sprintf(`{"id":%d,"seq":1}`, i)), c.conn.Write(t.Context(), bad.typ, []byte(bad.frame)))
		if code, err := c.waitEnd(); code != bad.code {
			t.Errorf("closed with %v", err)
		}
	}
	c := d.dial("")
	must(t, c.conn.Write(t.Context(), websocket.MessageBinary, []byte("{\"id\":1,\"data\":\"\xff\"}")))
	must(t, c.wait("bad_message", func() bool { return len(c.answers) == 1 && c.answers[0].Code == "bad_message" }))
	must(t, c.send(`{"id":2}`), c.flush())
	for _, query := range []string{"?client=", "?client=a&client=b", "?client=" + strings.Repeat("x", 65)} {
		if _, err := dial(d.url(), query); err == nil || !strings.Contains(err.Error(), "400") {
			t.Errorf("%s: %v", query, err)
		}
	}
	s := sqliteStore(t, dir)
	d.stop()
	if n := s.number("SELECT count(*) FROM messages"); n != 3 {
		t.Errorf("%d rows", n)
	}
}
