package browser

import (
	"strings"
	"testing"

	"github.com/ingestd/ingestd/client"
)

// Any stream is found by its id, the longest too; what is stored of it is shown.
func TestStreamByID(t *testing.T) {
	d, _ := start(t)
	long := strings.Repeat("ä", 127) + "x" // 255 bytes
	big := message(long, 7, object{"label": strings.Repeat("y", 4000)})
	big.Seq = client.MaxSeq
	numbered := message("numbered", 7, object{"n": 2})
	numbered.Seq = 42
	send(t, d.URL(), "phone-7", numbered, big)
	b := open(t, d.Admin(), width, height, "dark")
	b.write("#lookup-id", "numbered")
	b.key("Enter")
	b.says("#stream-detail", "42")
	b.says("#stream-detail", "from phone-7, code 7")
	b.says("#stream-detail", `{"n":2}`)
	b.write("#lookup-id", long)
	b.click("#lookup button")
	b.says("#stream-detail", "4611686018427387903")
	if title := eval[string](b, find("#stream-detail .id")+".title"); title != long {
		t.Errorf("the title is %q", title)
	}
	if wide := overflow(b); wide != "" {
		t.Errorf("wider than the page: %s", wide)
	}
	b.click("#stream-detail .copy")
	b.says("#toasts", "Copied")
	b.expect("status of 404")
	b.write("#lookup-id", "nobody")
	b.key("Enter")
	b.says("#stream-detail", "There is no stream with this id")

	// A stream of the table is chosen by a click.
	flow(t, d.URL(), 3, 50_000_000)
	b.wait("it is in the table", find("#busiest .id")+"?.textContent === 'sensor-0'")
	b.click("#busiest tbody button")
	b.says("#stream-detail h3", "sensor-0")
	b.says("#stream-detail", "celsius")
}

// overflow names what makes the page wider than its window.
func overflow(b *tab) string {
	b.t.Helper()
	return eval[string](b, `(() => {
		const wide = document.documentElement.clientWidth;
		if (document.documentElement.scrollWidth <= wide) return "";
		return [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > wide + 1)
			.map((e) => e.tagName + "#" + e.id + "." + e.className).slice(0, 5).join(" ") || "something";
	})()`)
}

// The tail shows messages as they are accepted, before they are stored, by id.
func TestTail(t *testing.T) {
	d, _ := start(t)
	b := open(t, d.Admin(), width, height, "light")
	b.click("#tail-toggle")
	b.says("#tail-status", "all streams")
	c := dial(t, d.URL(), "")
	post := func(id string, data any) {
		t.Helper()
		if err := c.Send(t.Context(), message(id, 0, data)); err != nil {
			t.Fatal(err)
		}
	}
	lines := func(id, what string) {
		t.Helper()
		until(t, id+" is shown", func() bool {
			post(id, what) // the tail may begin a moment later
			return strings.Contains(b.text("#tail-lines"), what)
		})
	}
	lines("first", "one")
	b.write("#tail-id", "second")
	b.key("Enter")
	b.says("#tail-status", "only second")
	if strings.Contains(b.text("#tail-lines"), "one") {
		t.Error("what was shown before the filter is still there")
	}
	post("first", "hidden")
	lines("second", "two")
	if strings.Contains(b.text("#tail-lines"), "hidden") {
		t.Error("the filter lets another stream through")
	}
	b.click("#tail-pause")
	b.says("#tail-pause", "Go on")
	post("second", "held")
	b.says("#tail-status", "held")
	if strings.Contains(b.text("#tail-lines"), "held") {
		t.Error("it is paused, and goes on")
	}
	b.click("#tail-pause")
	b.says("#tail-lines", "held")
	// A number that no double can hold is shown as it was sent.
	if err := c.Send(t.Context(), client.Message{ID: "second", Data: []byte(`{"n":12345678901234567890}`)}); err != nil {
		t.Fatal(err)
	}
	b.says("#tail-lines", "12345678901234567890")
	b.click("#tail-clear")
	b.wait("it is empty", find("#tail-lines")+".childElementCount === 0")
	b.click("#tail-toggle")
	b.says("#tail-toggle", "Start")
}

// A test message is stored like any other, and its answer is shown, good or bad.
func TestSendMessage(t *testing.T) {
	d, _ := start(t)
	b := open(t, d.Admin(), width, height, "light")
	b.says("#word", "Idle")
	b.click("#send-form button[type=submit]")
	b.says("#send-answer", "Stored: 1 message")
	b.says("#figure-stored .note", "1 stored")
	b.write("#lookup-id", "test-1")
	b.key("Enter")
	b.says("#stream-detail", "20.5")
	b.expect("status of 400")
	b.write("#send-text", `{"id": oops}`)
	b.click("#send-form button[type=submit]")
	b.says("#send-answer", "bad_json")
	b.write("#send-text", `{"id":"named","seq":5} {"id":"named","seq":6}`)
	b.write("#send-client", "phone-9")
	b.click("#send-form button[type=submit]")
	b.says("#send-answer", "Stored: 2 messages")
	b.write("#lookup-id", "named")
	b.key("Enter")
	b.says("#stream-detail", "from phone-9")
}
