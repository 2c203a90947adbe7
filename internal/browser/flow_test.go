package browser

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const (
	width  = 1280
	height = 900
)

// What a new user sees: what to do, and then that it flows.
func TestFlow(t *testing.T) {
	d, _ := start(t)
	b := open(t, d.Admin(), width, height, "light")
	b.says("#word", "Idle")
	b.says("#start", "ingestd send --generate 1000 --url "+d.URL())
	b.says("#start-js", d.URL())
	b.says("#busiest-empty", "No stream is live")
	b.says("#letters-empty", "None.")

	// The snippet of the page does what it says.
	node(t, b.text("#start-js"))
	b.says("#figure-stored .note", "1 stored")
	b.gone("#start")

	stop := flow(t, d.URL(), 5, 50*time.Millisecond)
	b.says("#word", "Flowing")
	b.says("#summary", "stored as it comes")
	b.says("#ready", "ready")
	before := b.text("#figure-received .note")
	b.wait("the numbers move", find("#figure-received .note")+".innerText !== "+quote(before))
	for _, figure := range []string{"received", "stored"} {
		b.wait(figure+" has a rate", "Number("+find("#figure-"+figure+" .value")+".innerText.replaceAll(',', '')) > 0")
	}
	b.says("#figure-stored_p99 .value", "ms")
	b.says("#figure-streams .value", "5")
	b.wait("the connections are counted", "Number("+find("#figure-connections .value")+".innerText) >= 1")
	b.wait("the busiest come first", find("#busiest tbody tr .id")+"?.textContent === 'sensor-0'")
	b.wait("they have a rate", "parseFloat("+find("#busiest tbody tr .num")+".innerText) > 0")
	b.says("#chart-rate .legend", "stored")
	b.says("#chart-flushes .legend", "count")
	b.says("#pipe", "Websocket server")
	b.says("#pipe", "SQLite takes everything")
	stop()
	b.says("#word", "Idle")

	// A page that is opened later has what was before: the seconds since the start.
	again := open(t, d.Admin(), width, height, "light")
	again.wait("the history is filled", `(document.querySelector("#figure-received .spark .line").getAttribute("d") ?? "").split("L").length > 3`)
	peak := eval[float64](again, `fetch("/api/v1/history").then((r) => r.json()).then((h) => Math.max(...h.series.received))`)
	if peak <= 0 {
		t.Error("the history knows nothing of what flowed")
	}
	again.wait("the chart has it too", pointed("rate", `/received|in [1-9]/`))
}

// node runs JavaScript until the test ends. No page could: those of other origins
// may not connect.
func node(t *testing.T, code string) {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("install Node.js (Debian: nodejs node-ws)")
	}
	cmd := exec.CommandContext(t.Context(), path, "-e", `globalThis.WebSocket ??= require("ws");`+code)
	cmd.Env = append(os.Environ(), "NODE_PATH=/usr/share/nodejs")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
}

// pointed is the expression that goes through a chart from its end to its begin, and
// tells whether it says what a regular expression matches.
func pointed(chart, pattern string) string {
	return fmt.Sprintf(`(() => {
		const plot = document.querySelector("#chart-%s .plot");
		for (let i = 0; i < 900; i++) {
			plot.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
			if (%s.test(plot.getAttribute("aria-valuetext"))) return true;
		}
		return false;
	})()`, chart, pattern)
}

// Seconds of which nothing is known are gaps: a dash, not a zero.
func TestGaps(t *testing.T) {
	d, _ := start(t)
	b := open(t, d.Admin(), width, height, "light")
	b.says("#word", "Idle")
	b.wait("the history is there", find("#chart-rate .plot")+`.getAttribute("aria-valuetext") !== "loading"`)
	eval[any](b, find("#chart-rate .plot")+".focus()")
	b.key("Home")
	b.wait("before the start nothing is known", find("#chart-rate .plot")+`.getAttribute("aria-valuetext").includes("in –")`)
	b.says("#chart-rate .at", ":")
	b.wait("the charts have one pointer", `new Set([...document.querySelectorAll(".chart .at")].map((e) => e.textContent)).size === 1`)
	b.key("End")
	b.wait("the last second is known", find("#chart-rate .plot")+`.getAttribute("aria-valuetext").includes("in 0")`)
}

// A second that has no neighbours is a dot: a line of one point shows nothing.
func TestSinglePoint(t *testing.T) {
	d, _ := start(t)
	b := open(t, d.Admin(), width, height, "light")
	b.says("#word", "Idle")
	painted := func(chart string) string {
		return `(() => {
			const canvas = document.querySelector("#chart-` + chart + ` canvas");
			const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
			const legend = document.querySelector("#chart-` + chart + ` .legend i");
			const [r, g, b] = getComputedStyle(legend).backgroundColor.match(/\d+/g).map(Number);
			for (let i = 0; i < data.length; i += 4) if (data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] === 255) return true;
			return false;
		})()`
	}
	b.wait("the latency chart is empty", "!"+painted("latency"))
	send(t, d.URL(), "", message("one", 0, 1))
	b.wait("it has a dot", painted("latency"))
	b.wait("so has the figure", find("#figure-stored_p99 .spark .line")+`.getAttribute("d").includes("h.01")`)
}

// A hidden page asks for nothing, and comes back; a page never has two streams of
// events, whatever its user does.
func TestOneStreamOfEvents(t *testing.T) {
	d, _ := start(t)
	b := open(t, d.Admin(), width, height, "light")
	b.says("#link", "live")
	visibility := func(state string) {
		eval[any](b, fmt.Sprintf(`Object.defineProperty(document, "hidden", { configurable: true, get: () => %v }); document.dispatchEvent(new Event("visibilitychange"))`, state == "hidden"))
	}
	visibility("hidden")
	until(t, "no stream is open", func() bool { now, _ := b.events(); return now == 0 })
	visibility("visible")
	until(t, "it is open again", func() bool { now, _ := b.events(); return now == 1 })
	b.click("#tail-toggle")
	b.says("#tail-status", "all streams")
	until(t, "the tail shows a message", func() bool {
		send(t, d.URL(), "", message("one", 0, 1))
		return strings.Contains(b.text("#tail-lines"), "one")
	})
	b.click("#tail-toggle")
	if _, most := b.events(); most != 1 {
		t.Errorf("%d streams of events at once", most)
	}
}
