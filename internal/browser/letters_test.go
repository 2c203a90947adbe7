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
	b.says("#replay-outcome", "Replay of 2 letters: 2 stored.")
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
	b.says("#figure-dead_lettered .value", "2") // how many there are is told once a second
	b.click("#discard-all")
	b.says("#confirm-title", "Discard all 2 letters?")
	b.click("#confirm-yes")
	b.says("#letters-empty", "None.")
	b.says("#figure-dead_lettered .value", "0")
}

// Who looks at a conflict sees what is stored, and is not told to send it again.
func TestConflict(t *testing.T) {
	d, _ := start(t)
	for data := range 2 {
		m := message("sensor-1", 0, object{"celsius": 20 + data})
		m.Seq = 42
		send(t, d.URL(), "phone-7", m)
	}
	b := open(t, d.Admin(), width, height, "light")
	b.wait("it is listed", find("#letters tbody")+".children.length === 1")
	b.wait("with both numbers", `[...document.querySelectorAll("#letters tbody .num")].map((e) => e.innerText).join() === "1,42"`)
	b.wait("and their names", `[...document.querySelectorAll("#letters thead .num")].map((e) => e.innerText.toLowerCase()).join() === "#,seq"`)
	b.wait("it is not offered to replay it", `[...document.querySelectorAll("#letters .acts button")].map((e) => e.innerText).join() === "Look,Discard"`)
	b.click("#letters button.plain")
	b.says("#letter-title", "Dead letter 1")
	b.says("#letter-body", `"celsius": 21`)
	b.says("#letter-body", "it will conflict again")
	b.says("#letter-stored pre", `{"celsius":20}`)
	b.says("#letter-actions", "Replay anyway")
	b.wait("it is no advice", `!document.querySelector("#letter-actions .primary")`)
	b.click("#letter-actions button:last-child")
	b.says("#confirm-text", "1 conflict will conflict again")
	b.click("#confirm-no")
	b.gone("#confirm")
}

// A replay is followed to its end: what waits while the sink is away, what was
// stored then, and what the sink has refused again.
func TestReplayOutcome(t *testing.T) {
	d, dir := start(t)
	mend := poison(t, dir, "no such status")
	send(t, d.URL(), "", message("letter-1", 13, 1), message("letter-2", 13, 2), message("letter-3", 13, 3))
	b := open(t, d.Admin(), width, height, "dark")
	b.wait("they are listed", find("#letters tbody")+".children.length === 3")
	b.gone("#replay-outcome")
	mend()
	db := database(t, dir)
	execute(t, db, "CREATE TRIGGER choosy BEFORE INSERT ON messages WHEN new.code = 13 AND new.id = 'letter-2' BEGIN SELECT RAISE(ABORT, 'not this one'); END")
	away, err := db.BeginTx(t.Context(), nil) // which keeps the sink from writing
	if err != nil {
		t.Fatal(err)
	}
	b.click("#replay-all")
	b.click("#confirm-yes")
	b.says("#replay-outcome", "Replay of 3 letters: 3 wait.")
	if err := away.Rollback(); err != nil {
		t.Fatal(err)
	}
	b.says("#replay-outcome", "Replay of 3 letters: 2 stored, 1 refused again.")
	b.says("#letters", "not this one")
	b.click("#replay-all")
	b.click("#confirm-yes")
	b.says("#replay-outcome", "Replay of 1 letter: 1 refused again.")
}
