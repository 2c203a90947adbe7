package daemon

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ingestd/ingestd/daemon/internal/api"
)

// statuses are those of the golden screens.
func statuses() map[string]*api.Status {
	now := time.Date(2026, 5, 7, 12, 3, 10, 0, time.UTC)
	connections, accepted := 64, uint64(128)
	none := api.Percentiles{P50: api.None(), P99: api.None()}
	fresh := &api.Status{
		Now: api.At(now), Started: api.At(now.Add(-42 * time.Second)), Version: api.Version{Version: "1.2.0"}, Config: "the defaults",
		Ready: true, Summary: "Nothing has come yet.",
		Rates:      api.Rates{Received: api.None(), Stored: api.None()},
		Latency:    api.Latency{Stored: none, Write: none, Sync: none},
		Messages:   api.Messages{MaxPending: 256 << 20},
		Streams:    api.StreamCounts{Max: 1_000_000},
		Transports: []api.Transport{{Name: "transport.websocket", URL: "ws://127.0.0.1:7001/ws", Connections: new(int)}},
		Sink:       api.Sink{State: "ok", Target: "sqlite ingest.db"},
	}
	busy := &api.Status{
		Now: api.At(now), Started: api.At(now.Add(-50*time.Hour - 4*time.Minute)), Version: api.Version{Version: "1.2.0"}, Config: "/etc/ingestd/config.hcl",
		Ready: true, Summary: "Everything is stored as it comes.",
		Messages: api.Messages{
			Received: 12_345_678, Stored: 12_345_000, Duplicates: 12, DeadLettered: 3, Pending: 663, PendingBytes: 1_300_000, MaxPending: 256 << 20,
			Rejected: map[string]uint64{"bad_json": 7, "overloaded": 12_000, "unknown_op": 1, "too_many_streams": 2, "bad_message": 2},
		},
		Rates:   api.Rates{Received: 12_345.4, Stored: 9.95},
		Latency: api.Latency{Stored: api.Percentiles{P50: 0.0104, P99: 1.26}, Write: api.Percentiles{P50: 0.0031, P99: 0.0996}, Sync: api.Percentiles{P50: 0.00085, P99: 0.2}},
		Streams: api.StreamCounts{Live: 100_000, Max: 1_000_000, Made: 100_123, Retired: 123},
		Flushes: api.Flushes{Count: 1_000_000, Linger: 22, Disconnect: 3},
		Writes:  api.Writes{Groups: 12_345, Retries: api.Retries{Transient: 3}},
		Transports: []api.Transport{
			{Name: "transport.websocket.edge", URL: "wss://[::]:7001/ws", Connections: &connections, Accepted: &accepted, Messages: 12_000_000, Refused: map[string]uint64{"token": 2}},
			{Name: "transport.http", URL: "http://127.0.0.1:7003/v1/messages", Messages: 345_678, Errors: map[string]uint64{"bad_json": 7}},
			{Name: "transport.websocket_client", URL: "wss://feed.example.com", Feeds: &connections, FeedsConnected: new(int), Messages: 1},
			{Name: "transport.http.more", URL: "http://127.0.0.1:7004"},
		},
		Sink:         api.Sink{State: "ok", Sentence: "MariaDB takes everything."},
		Spool:        &api.Spool{Messages: 48_201, Bytes: 12 << 20, Max: 10 << 30, Segments: 1, Oldest: api.At(now.Add(-90 * time.Second)), State: "ok", Sentence: "The spool has room."},
		DeadLetters:  api.Letters{Letters: 3, Marked: 1},
		NeedsRestart: []string{"data_dir", "sink"},
	}
	blocked := *busy
	blocked.Ready, blocked.Reason = false, "the sink is blocked"
	blocked.Summary = "MariaDB refuses everything since 12:03:10: Access denied for user 'ingest'@'localhost' (using password: YES), and 663 messages wait in memory."
	blocked.Sink = api.Sink{State: "blocked", Sentence: "MariaDB refuses everything since 12:03:10."}
	blocked.Spool, blocked.NeedsRestart = nil, nil
	blocked.Messages.PendingBytes = 256 << 20
	blocked.DeadLetters = api.Letters{Error: "database or disk is full"}
	refusing := *fresh
	refusing.Condition, refusing.Summary = "refusing", "Messages are refused: 1 in the last minute (conflict). What else comes is stored."
	refusing.Messages.Received, refusing.Messages.DeadLettered, refusing.Messages.Duplicates, refusing.Messages.Pending = 1, 1, 1, 1
	refusing.Writes.Groups, refusing.DeadLetters.Letters = 1, 1
	writer := *busy
	writer.Transports = []api.Transport{{
		Name: "transport.nats", URL: "nats n1:4222,n2:4222 stream ingest", Messages: 12_000_000,
		NATS: &api.NATS{Connected: true, State: "ok", Partitions: 64, Owned: 32, Readers: 2, Behind: 1204},
	}}
	writer.Spool, writer.NeedsRestart = nil, nil
	return map[string]*api.Status{"fresh": fresh, "busy": busy, "blocked": &blocked, "refusing": &refusing, "writer": &writer}
}

func rendered(lines []textLine, width int, coloured bool) string {
	var out strings.Builder
	for _, l := range lines {
		out.WriteString(l.render(width, coloured) + "\n")
	}
	return out.String()
}

// The screens are in testdata/status, as a terminal of 80 characters shows them
// without colours; with --update they are written.
func TestGoldenStatus(t *testing.T) {
	for name, st := range statuses() {
		for trouble, why := range map[string]string{"": "", "-away": "Since 12:03:10: ask http://127.0.0.1:7002: dial tcp 127.0.0.1:7002: connect: connection refused"} {
			file := filepath.Join("testdata", "status", name+trouble+".txt")
			got := rendered(screenOf(st, "http://127.0.0.1:7002", why, 80), 80, false)
			if *update {
				write(t, file, got)
				continue
			}
			want, err := os.ReadFile(file)
			if err != nil || got != string(want) {
				t.Errorf("%s: %v\n%s", file, err, got)
			}
		}
	}
}

// extreme is a status with everything as long and as hostile as it can be.
func extreme() *api.Status {
	odd := strings.Repeat("\x1b[31m\u202e\n\xff line ", 60)
	most := map[string]uint64{}
	for _, name := range strings.Fields(strings.Repeat(odd+" ", 3) + "a b c d e f g h") {
		most[name] = math.MaxUint64
	}
	st := *statuses()["busy"]
	st.Ready, st.Reason, st.Summary, st.Config = false, odd, odd, odd
	st.Version.Version = odd
	st.Messages = api.Messages{
		Received: math.MaxUint64, Stored: math.MaxUint64, Duplicates: math.MaxUint64, DeadLettered: math.MaxUint64,
		Pending: math.MaxInt64, PendingBytes: math.MaxInt64, MaxPending: math.MaxInt64, Rejected: most,
	}
	st.Rates = api.Rates{Received: 1e18, Stored: -1e18}
	st.Latency = api.Latency{Stored: api.Percentiles{P50: 1e9, P99: math.MaxFloat64}}
	st.Streams = api.StreamCounts{Live: math.MaxInt, Max: math.MaxInt, Made: math.MaxUint64, Retired: math.MaxUint64}
	st.Flushes = api.Flushes{
		Count: math.MaxUint64, Bytes: math.MaxUint64, Linger: math.MaxUint64, Flush: math.MaxUint64, Done: math.MaxUint64,
		Disconnect: math.MaxUint64, Pressure: math.MaxUint64, Drain: math.MaxUint64,
	}
	for range 20 {
		st.Transports = append(st.Transports, api.Transport{Name: odd, URL: odd, Refused: most, Errors: most, Messages: math.MaxUint64})
	}
	st.Transports = st.Transports[4:]
	st.Sink = api.Sink{State: odd, Sentence: odd}
	st.Spool = &api.Spool{State: odd, Sentence: odd, Messages: math.MaxInt64, Bytes: math.MaxInt64, Max: math.MaxInt64, Corrupt: math.MaxUint64}
	st.DeadLetters = api.Letters{Error: odd}
	st.NeedsRestart = strings.Fields(odd)
	return &st
}

// Whatever a status has in it, it fits a terminal of 80 characters and 24 lines
// with the prompt below it, and tells the terminal nothing.
func TestStatusFits(t *testing.T) {
	all := statuses()
	all["extreme"] = extreme()
	for name, st := range all {
		for _, trouble := range []string{"", st.Summary} {
			text := rendered(screenOf(st, "http://127.0.0.1:7002", trouble, 80), 80, false)
			lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			if len(lines) > 23 {
				t.Errorf("%s has %d lines:\n%s", name, len(lines), text)
			}
			for _, line := range lines {
				if n := utf8.RuneCountInString(line); n > 80 {
					t.Errorf("%s: a line of %d characters: %s", name, n, line)
				}
				if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
					t.Errorf("%s: %q", name, line)
				}
			}
		}
	}
}

// Colours are only added: the text is the same.
func TestStatusColours(t *testing.T) {
	for name, st := range statuses() {
		lines := screenOf(st, "http://127.0.0.1:7002", "", 80)
		coloured := rendered(lines, 80, true)
		if !strings.Contains(coloured, "\x1b[") {
			t.Errorf("%s has no colours", name)
		}
		var plain strings.Builder
		for i, part := range strings.Split(coloured, "\x1b[") {
			if _, text, ok := strings.Cut(part, "m"); ok && i > 0 {
				part = text
			}
			plain.WriteString(part)
		}
		if want := rendered(lines, 80, false); !sameLines(plain.String(), want) {
			t.Errorf("%s:\n%s\nwant:\n%s", name, plain.String(), want)
		}
	}
}

// sameLines compares texts but for the spaces at the ends of lines.
func sameLines(a, b string) bool {
	trim := func(text string) string {
		lines := strings.Split(text, "\n")
		for i := range lines {
			lines[i] = strings.TrimRight(lines[i], " ")
		}
		return strings.Join(lines, "\n")
	}
	return trim(a) == trim(b)
}

func TestGrouped(t *testing.T) {
	for want, got := range map[string]string{
		"0": grouped(0), "999": grouped(999), "1,000": grouped(1000), "-1,234,567": grouped(int64(-1234567)),
		"18,446,744,073,709,551,615": grouped(uint64(math.MaxUint64)),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestLasting(t *testing.T) {
	for seconds, want := range map[api.Number]string{
		0: "0 µs", 0.00085: "850 µs", 0.0031: "3.1 ms", 0.00996: "10 ms", 0.25: "250 ms", 1.26: "1.3 s", 61: "61 s",
	} {
		if got := lasting(seconds); got != want {
			t.Errorf("%v: %s, want %s", float64(seconds), got, want)
		}
	}
	if got := lasting(api.None()); got != "–" {
		t.Error(got)
	}
}
