package browser

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/child"
	"github.com/ingestd/ingestd/internal/child/childtest"
)

// lively is a daemon with something of everything: streams, the longest id, letters.
func lively(t *testing.T) *child.Daemon {
	t.Helper()
	d, dir := start(t)
	poison(t, dir, "no such status")
	long := strings.Repeat("a-very-long-id/", 17)
	send(t, d.URL(), strings.Repeat("n", 64), message(long, 13, object{"label": strings.Repeat("x", 500)}), message(long, 0, 1), message("sensor-3", 13, nil))
	flow(t, d.URL(), 8, 50*time.Millisecond)
	return d
}

// plant is a daemon as many are: hundreds of streams of a few gateways, and two
// messages that the database refused.
func plant(t *testing.T) *child.Daemon {
	t.Helper()
	dir := t.TempDir()
	text := "sink \"sqlite\" {\n}\nrouter {\n  batch_wait = \"250ms\"\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "config.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d := childtest.Run(t, dir, "127.0.0.1:0", "--config=config.hcl", "--set=admin.listen=127.0.0.1:0")
	poison(t, dir, "no such state of a machine")
	send(t, d.URL(), "gateway-3", message("press-04/state", 13, "jammed"), message("press-07/state", 13, "jammed"))
	bustle(t, d.URL())
	return d
}

// full is the page of a lively one, with everything open that can be.
func full(t *testing.T, d *child.Daemon, width int, theme string) *tab {
	t.Helper()
	b := open(t, d.Admin(), width, height, theme)
	b.says("#word", "Flowing")
	b.wait("there are streams and letters", find("#letters tbody tr")+" && "+find("#busiest tbody tr"))
	b.write("#lookup-id", strings.Repeat("a-very-long-id/", 17))
	b.key("Enter")
	b.says("#stream-detail", "stored messages")
	b.click("#tail-toggle")
	b.says("#tail-lines", "sensor")
	b.click("#config-show")
	b.says("#config-text", "router")
	b.click("#send-form button[type=submit]")
	b.says("#send-answer", "Stored")
	return b
}

// The theme is that of the system, until its user chooses; the choice is kept.
func TestThemes(t *testing.T) {
	d, _ := start(t)
	b := open(t, d.Admin(), width, height, "dark")
	b.says("#word", "Idle")
	paper := func() string { return eval[string](b, "getComputedStyle(document.body).backgroundColor") }
	dark := paper()
	b.theme("light")
	b.wait("the page follows the system", "getComputedStyle(document.body).backgroundColor !== "+quote(dark))
	light := paper()
	b.click("#theme") // light
	b.theme("dark")
	b.click("#theme") // dark
	b.wait("it is dark", "getComputedStyle(document.body).backgroundColor === "+quote(dark))
	b.theme("light")
	b.visit(d.Admin() + "/?again")
	b.says("#word", "Idle")
	if paper() != dark {
		t.Error("the choice is forgotten")
	}
	b.click("#theme") // as the system has it
	b.wait("it is light", "getComputedStyle(document.body).backgroundColor === "+quote(light))
}

// Nothing is wider than the window, whatever the ids are.
func TestWidths(t *testing.T) {
	d := lively(t)
	for _, wide := range []int{320, 375, 768, 1024, 1280, 1920} {
		b := full(t, d, wide, "light")
		if what := overflow(b); what != "" {
			t.Errorf("at %d pixels, wider than the window: %s", wide, what)
		}
	}
}

// axe finds no serious fault, in either theme, on a phone, and with dialogs open.
func TestAccessibility(t *testing.T) {
	axe := vendored(t)
	d := lively(t)
	check := func(b *tab, what string) {
		t.Helper()
		eval[any](b, axe+"; undefined")
		faults := eval[[]struct {
			ID, Impact, Help string
			Nodes            []struct{ HTML, FailureSummary string }
		}](b, `axe.run(document, { resultTypes: ["violations"] }).then((r) => r.violations)`)
		for _, f := range faults {
			if f.Impact != "serious" && f.Impact != "critical" {
				continue
			}
			for _, n := range f.Nodes {
				t.Errorf("%s: %s: %s: %s: %s", what, f.ID, f.Help, n.HTML, n.FailureSummary)
			}
		}
	}
	for _, theme := range []string{"light", "dark"} {
		b := full(t, d, width, theme)
		check(b, theme)
		b.click("#letters tbody button.plain")
		b.says("#letter-body", "no such status")
		check(b, theme+", a letter")
		b.key("Escape")
		b.click("#discard-all")
		b.says("#confirm", "Discard")
		check(b, theme+", a question")
		check(full(t, d, 375, theme), theme+", a phone")
	}
	fresh, _ := start(t)
	b := open(t, fresh.Admin(), width, height, "light")
	b.says("#start", "ingestd send")
	check(b, "fresh")
	closed, _ := start(t, "--set=admin.token=a-token-of-this-test-alone")
	b = open(t, closed.Admin(), width, height, "dark")
	b.expect("status of 401")
	b.says("#gate", "token")
	check(b, "sign in")
}

// vendored is axe, unchanged.
func vendored(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("testdata/axe/README.md")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	if !bytes.Contains(readme, []byte(hex.EncodeToString(sum[:]))) {
		t.Fatal("axe.min.js is not the one that its README.md tells of")
	}
	return string(text)
}

// maxImage is the most that an image of the README may weigh.
const maxImage = 200_000

// Pictures of what there is to see, for eyes.
func TestScreenshots(t *testing.T) {
	out := filepath.Join("..", "..", "bin", "screenshots")
	if err := os.MkdirAll(out, 0o755); err != nil {
		t.Fatal(err)
	}
	keep := func(name string, image []byte, published bool) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(out, name), image, 0o600); err != nil {
			t.Fatal(err)
		}
		if !published {
			return
		}
		if len(image) >= maxImage {
			t.Errorf("%s has %d bytes", name, len(image))
		}
		if *updateImages {
			if err := os.WriteFile(filepath.Join("..", "..", "docs", "images", name), image, 0o644); err != nil { //nolint:gosec // to be read by all
				t.Fatal(err)
			}
		}
	}
	down, server := outage(t)
	bustle(t, down.URL())
	broken := open(t, down.Admin(), width, height, "light")
	d := plant(t)
	b := open(t, d.Admin(), width, height, "dark")
	phone := open(t, d.Admin(), 375, 812, "dark")
	lasts(b, *history)
	for _, b := range []*tab{broken, b, phone} {
		b.says("#word", "Flowing")
		b.says("#figure-stored_p99 .value", "ms")
		b.says("#chart-rate .legend", "stored")
	}
	keep("dashboard-dark.png", b.picture(false), true)
	keep("dashboard-phone.png", phone.picture(false), true)
	server.Kill()
	broken.says("#summary", "wait in the spool")
	broken.says("#pipe", "failing")
	lasts(broken, *history/3)
	keep("dashboard-outage.png", broken.picture(false), true)
	down.Kill()
	broken.expect("ERR_")
	broken.says("#away", "does not answer")
	keep("away-light.png", broken.picture(false), false)
	server.Restart(t) // its database is removed at the end

	fresh, _ := start(t)
	b = open(t, fresh.Admin(), width, height, "light")
	b.says("#start", "ingestd send")
	keep("fresh-light.png", b.picture(false), false)
	d = lively(t)
	keep("everything-light.png", full(t, d, width, "light").picture(true), false)
	keep("everything-dark.png", full(t, d, width, "dark").picture(true), false)
	keep("everything-phone.png", full(t, d, 375, "light").picture(true), false)
}

// lasts waits until that much more history is in the charts.
func lasts(b *tab, history time.Duration) {
	b.t.Helper()
	end := time.Now().Add(history)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for time.Now().Before(end) {
		<-tick.C
	}
	b.says("#link", "live")
}
