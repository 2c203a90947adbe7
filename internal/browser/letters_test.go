package browser

import (
	"fmt"
	"testing"

	"github.com/ingestd/ingestd/client"
)

// Dead letters come by themselves, are looked at, replayed and discarded: one, some,
// all, and never without a question.
func TestDeadLetters(t *testing.T) {
	d, dir := start(t)
	mend := poison(t, dir, "no such status")
	b := open(t, d.Admin(), width, height, "light")
	b.says("#letters-empty", "None.")
	var messages []client.Message
	for i := range 6 {
		m := message(fmt.Sprintf("letter-%d", i), 13, object{"celsius": i})
		m.Seq = int64(i + 1)
		messages = append(messages, m)
	}
	send(t, d.URL(), "phone-7", messages...)
	b.says("#figure-dead_lettered .value", "6")
	b.says("#nav-letters", "6")
	b.wait("they are listed", find("#letters tbody")+".children.length === 6")
	b.says("#letters", "no such status")

	row := func(id string) string { return "#letters tbody tr:has([aria-label$='of " + id + "']) " }
	b.click(row("letter-1") + "button.plain")
	b.says("#letter-body", "letter-1")
	b.says("#letter-body", `"celsius": 1`)
	b.key("Escape")
	b.gone("#letter")

	discard := row("letter-0") + ".acts button:last-child"
	b.click(discard)
	b.says("#confirm-text", "deleted for good")
	b.click("#confirm-no")
	b.gone("#confirm")
	b.click(discard)
	b.click("#confirm-yes")
	b.says("#toasts", "1 letter discarded")
	b.wait("one is gone", find("#letters tbody")+".children.length === 5")
	b.says("#figure-dead_lettered .value", "5")

	mend()
	b.click(row("letter-1") + "input")
	b.click(row("letter-2") + "input")
	b.says("#letters-selected", "2 selected")
	b.click("#replay-selected")
	b.says("#confirm-title", "Replay 2 letters?")
	b.click("#confirm-yes")
	b.wait("two are stored", find("#letters tbody")+".children.length === 3")
	b.write("#lookup-id", "letter-1")
	b.key("Enter")
	b.says("#stream-detail", `{"celsius":1}`)

	b.write("#letters-id", "letter-4")
	b.wait("the filter is on", find("#letters tbody")+".children.length === 1")
	b.click("#replay-all")
	b.says("#confirm-title", "all letters of letter-4")
	b.click("#confirm-yes")
	b.says("#letters-empty", "None has this id")
	b.write("#letters-id", "letter")
	eval[any](b, find("#letters-id")+`.select()`)
	b.key("Delete")
	b.wait("the others are there", find("#letters tbody")+".children.length === 2")
	b.click("#discard-all")
	b.says("#confirm-title", "Discard all 2 letters?")
	b.click("#confirm-yes")
	b.says("#letters-empty", "None.")
	b.says("#figure-dead_lettered .value", "0")
}
