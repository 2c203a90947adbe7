package browser

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ingestd/ingestd/bench/lab"
	"github.com/ingestd/ingestd/bench/load"
	"github.com/ingestd/ingestd/internal/child"
	"github.com/ingestd/ingestd/internal/long"
)

// What looking may cost.
const (
	mostLooking = 0.02                  // of one core
	mostScrape  = 50 * time.Millisecond // the median of all
)

// What it costs that somebody looks: the dashboard is open, without its tail and
// then with it, and /metrics is asked for every five seconds, while messages of
// 100,000 live streams flow into SQLite. Windows in which nobody looks take turns
// with those in which somebody does. Only the long form judges times: it has the
// machine for itself.
func TestCostOfLooking(t *testing.T) {
	streams, rate, window := long.Scale(2_000, 100_000), long.Scale(4_000, 50_000), time.Duration(long.Scale(2, 15))*time.Second
	politely(t)
	d, _ := start(t)
	flood(t, d.URL(), streams, rate)
	until(t, "all streams are live, and batches are stored as fast as they come", func() bool {
		c := counted(t, d)
		return c.Streams.Live == streams && c.Messages.Stored > float64(rate*long.Scale(1, 10))
	})
	b := open(t, "about:blank", width, height, "light")
	c := &costs{t: t, daemon: d, window: window}
	c.measure("nobody looks")

	b.visit(d.Admin())
	b.says("#link", "live")
	b.says("#word", "Flowing")
	dashboard := c.measure("the dashboard and /metrics")
	b.says("#link", "live")
	b.visit("about:blank")
	c.measure("nobody looks")

	b.visit(d.Admin())
	b.says("#link", "live")
	b.click("#tail-toggle")
	b.says("#tail-status", "all streams")
	tail := c.measure("the dashboard with its tail, and /metrics")
	b.wait("the tail shows messages", find("#tail-lines")+".childElementCount > 0")
	for range 8 {
		c.scrape()
	}
	slices.Sort(c.scrapes)
	median, most := c.scrapes[len(c.scrapes)/2], c.scrapes[len(c.scrapes)-1]
	t.Logf("%d scrapes: median %v, most %v", len(c.scrapes), median, most)
	if live := counted(t, d).Streams.Live; live != streams {
		t.Errorf("%d streams are live at the end, not %d", live, streams)
	}
	if !long.On() {
		return
	}
	for _, m := range []measured{dashboard, tail} {
		if m.rate < 0.95*float64(rate) {
			t.Errorf("%s: only %.0f messages a second came", m.what, m.rate)
		}
		if m.looking >= mostLooking {
			t.Errorf("%s: %.2f %% of a core", m.what, 100*m.looking)
		}
	}
	if median >= mostScrape {
		t.Errorf("a scrape takes %v", median)
	}
}

// politely has the browser compute where a processor is idle, in the long form: it
// stands for another machine, which takes nothing from the daemon.
func politely(t *testing.T) {
	t.Helper()
	if !long.On() {
		return
	}
	chromium.end()
	chromium = &process{idle: true}
	t.Cleanup(func() {
		chromium.end()
		chromium = new(process)
	})
}

// flood sends messages of so many streams, each in its turn, until the test ends.
func flood(t *testing.T, url string, streams, rate int) {
	t.Helper()
	l, err := load.Open(load.Config{
		URL: url, Conns: 64, IDs: streams, Size: 150, PerFrame: 1, Burst: 1, Rate: float64(rate), Silent: true,
		Count: rate * int(patience.Seconds()+1),
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = l.Run() // it is cut in the end
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
}

// counts are what the status says of messages and streams.
type counts struct {
	Messages struct{ Received, Stored float64 }
	Streams  struct{ Live int }
}

func counted(t *testing.T, d *child.Daemon) (c counts) {
	t.Helper()
	if err := json.Unmarshal(fetch(t, d.Admin()+"/api/v1/status"), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func fetch(t *testing.T, url string) []byte {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, r.Status, err)
	}
	return body
}

// costs measures what a daemon computes.
type costs struct {
	t       *testing.T
	daemon  *child.Daemon
	window  time.Duration
	scrapes []time.Duration // how long each took
}

// measured is what a window has shown.
type measured struct {
	what    string
	rate    float64 // messages a second
	all     float64 // what the daemon has computed, as a part of one core
	looking float64 // what of it was for those who look
}

// measure looks at one window, by a profile and by the clock of the process. It asks
// for /metrics every five seconds, unless nobody looks.
func (c *costs) measure(what string) measured {
	c.t.Helper()
	seconds := c.window.Seconds()
	before, begun := counted(c.t, c.daemon), time.Now()
	cpu, err := lab.CPUTime(c.daemon.Pid())
	if err != nil {
		c.t.Fatal(err)
	}
	profile := make(chan []byte, 1)
	go func() {
		defer close(profile)
		r, err := http.Get(c.daemon.Admin() + "/debug/pprof/profile?seconds=" + strconv.Itoa(int(seconds)))
		if err != nil {
			return
		}
		defer func() { _ = r.Body.Close() }()
		if text, err := io.ReadAll(r.Body); err == nil && r.StatusCode == http.StatusOK {
			profile <- text
		}
	}()
	text := c.scrapeUntil(profile, what != "nobody looks")
	took := time.Since(begun).Seconds()
	after, err := lab.CPUTime(c.daemon.Pid())
	if err != nil {
		c.t.Fatal(err)
	}
	looking, all := spent(c.t, text)
	m := measured{
		what: what, rate: (counted(c.t, c.daemon).Messages.Received - before.Messages.Received) / took,
		all: (after - cpu).Seconds() / took, looking: looking.Seconds() / seconds,
	}
	c.t.Logf("%-42s %6.0f messages/s, the daemon %5.1f %% of a core (profile: %5.1f), looking %.2f %%",
		what, m.rate, 100*m.all, 100*all.Seconds()/seconds, 100*m.looking)
	return m
}

// scrapeUntil asks for /metrics every five seconds until the
// profile is there.
func (c *costs) scrapeUntil(profile <-chan []byte, scrape bool) []byte {
	c.t.Helper()
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		if scrape {
			c.scrape()
		}
		select {
		case <-tick.C:
		case text, ok := <-profile:
			if !ok {
				c.t.Fatal("there is no profile")
			}
			return text
		}
	}
}

// scrape asks for /metrics, as Prometheus does.
func (c *costs) scrape() {
	c.t.Helper()
	begun := time.Now()
	fetch(c.t, c.daemon.Admin()+"/metrics")
	c.scrapes = append(c.scrapes, time.Since(begun))
}
