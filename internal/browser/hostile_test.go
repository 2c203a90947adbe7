package browser

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ingestd/ingestd/client"
)

const attack = `<img src=x onerror="window.hurt=1;alert(1)"><script>window.hurt=1</script>`

// Ids, payloads, names of clients, and the texts of errors are text, wherever the
// page shows them.
func TestInjection(t *testing.T) {
	d, dir := start(t)
	poison(t, dir, `<img src=x onerror="window.hurt=1;alert(2)"><b id="injected">bold</b>`)
	name := `<i onclick=alert(3)>"'&`
	bad := message(attack, 13, object{attack: attack})
	bad.Seq = 1
	good := message(attack, 0, object{attack: attack, "__proto__": object{"hurt": 1}})
	send(t, d.URL(), name, bad, good)
	b := open(t, d.Admin(), width, height, "light")
	b.says("#letters", "<b id=")
	b.says("#busiest", "<img src=x")
	b.click("#letters tbody button.plain")
	b.says("#letter-body", "<script>")
	b.says("#letter-body", name)
	b.key("Escape")
	b.write("#lookup-id", attack)
	b.key("Enter")
	b.says("#stream-detail", `<script>`)
	b.says("#stream-detail", name)
	b.click("#tail-toggle")
	until(t, "the tail shows it", func() bool {
		m := message(attack, 0, attack)
		send(t, d.URL(), name, m)
		return strings.Contains(b.text("#tail-lines"), "<script>")
	})
	b.expect("status of 400")
	b.write("#send-text", `{"id":"x","op":"<img src=x onerror=alert(4)>"}`)
	b.click("#send-form button[type=submit]")
	b.says("#send-answer", "unknown_op")
	// What would turn the text around, or is invisible, is named.
	b.write("#lookup-id", "\u202eevil\u200b")
	b.expect("status of 404")
	b.key("Enter")
	b.says("#stream-detail", "no stream")
	text, _ := json.Marshal("\u202eevil\u200b")
	if err := dial(t, d.URL(), "").Send(t.Context(), client.Message{ID: "\u202eevil\u200b", Data: text}); err != nil {
		t.Fatal(err)
	}
	b.says("#busiest", `\u{202e}evil\u{200b}`)
	if eval[bool](b, `window.hurt !== undefined || Object.prototype.hurt !== undefined || Boolean(document.querySelector("img, #injected, main script, dialog script"))`) {
		t.Error("something was injected")
	}
}

// All of it can be reached and done with the keyboard alone.
func TestKeyboard(t *testing.T) {
	d, dir := start(t)
	poison(t, dir, "no such status")
	send(t, d.URL(), "", message("letter", 13, 1), message("good", 0, 1))
	b := open(t, d.Admin(), width, height, "light")
	b.wait("there is a letter", find("#letters tbody tr")+" && "+find("#busiest tbody tr"))
	focused := func() string {
		return eval[string](b, `(() => { const e = document.activeElement; return e.id || e.closest("[id]")?.id + " " + e.tagName })()`)
	}
	b.key("Tab")
	if at := eval[string](b, "document.activeElement.className"); at != "skip" {
		t.Errorf("the first is %q, not the way past the menu", at)
	}
	reached := map[string]bool{}
	for range 100 {
		b.key("Tab")
		reached[focused()] = true
		if !eval[bool](b, `(() => { const s = getComputedStyle(document.activeElement); return document.activeElement === document.body || s.outlineStyle !== "none" })()`) {
			t.Errorf("nobody sees that %s has the focus", focused())
		}
	}
	for _, id := range []string{
		"theme", "chart-rate DIV", "chart-flushes DIV", "busiest BUTTON", "lookup-id", "letters-id", "replay-all", "letters-tick",
		"tail-id", "tail-toggle", "tail-clear", "send-text", "send-client", "reload", "config-show",
	} {
		if !reached[id] {
			t.Errorf("%s is not reached with Tab", id)
		}
	}
	eval[any](b, find("#discard-all")+".focus()")
	b.key("Enter")
	b.says("#confirm", "Discard all 1 letter?")
	if at := focused(); at != "confirm-no" {
		t.Errorf("the dialog begins at %s", at)
	}
	b.key("Escape")
	b.gone("#confirm")
	if at := focused(); at != "discard-all" {
		t.Errorf("after the dialog the focus is on %s", at)
	}
	b.key("Enter")
	b.key("Tab")
	b.key(" ")
	b.says("#letters-empty", "None.")
}
