package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingestd/ingestd/bench/load"
)

// Every row that is not there, or twice, or late, is counted as what it is.
func TestFate(t *testing.T) {
	for name, test := range map[string]struct {
		rows []string // id, connection and number
		sent int
		want fate
	}{
		"as sent":               {[]string{"7 0 0", "8 0 0", "7 0 1", "7 1 0", "8 0 1"}, 5, fate{stored: 5}},
		"lost":                  {[]string{"7 0 0", "7 0 2"}, 4, fate{stored: 2, lost: 2}},
		"doubled":               {[]string{"7 0 0", "7 0 1", "7 0 0"}, 2, fate{stored: 3, doubled: 1}},
		"lost and doubled":      {[]string{"7 0 1", "7 0 1"}, 2, fate{stored: 2, lost: 1, doubled: 1}},
		"out of order":          {[]string{"7 0 1", "7 0 2", "7 0 0"}, 3, fate{stored: 3, disordered: 1}},
		"two that overtook one": {[]string{"7 0 2", "7 0 0", "7 0 1"}, 3, fate{stored: 3, disordered: 2}},
		"nothing":               {nil, 3, fate{lost: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPlace(t)
			for _, r := range test.rows {
				var id, conn, n int
				if _, err := fmt.Sscan(r, &id, &conn, &n); err != nil {
					t.Fatal(err)
				}
				insert(t, p, id, fmt.Sprintf(`{"c":%d,"n":%d,"pad":""}`, 10_000+conn, 1_000_000_000+n))
			}
			got, err := p.fateOf(t.Context(), p.order, test.sent)
			if err != nil || got != test.want {
				t.Errorf("it is %+v, %v; want %+v", got, err, test.want)
			}
		})
	}
}

// A row that nobody sent means that something else is measured than meant.
func TestForeignRow(t *testing.T) {
	for _, data := range []string{"{}", `{"c":10000,"n":1000000005}`} {
		p := testPlace(t)
		insert(t, p, 1, data)
		if _, err := p.fateOf(t.Context(), p.order, 5); err == nil || !strings.Contains(err.Error(), data) {
			t.Errorf("the error is %v", err)
		}
	}
}

// The rows are waited for; a peer that ends is not.
func TestAwait(t *testing.T) {
	p := testPlace(t)
	_, data := load.Sample(150)
	insert(t, p, 1, data)
	if err := p.await(t.Context(), 1, nil); err != nil {
		t.Error(err)
	}
	ended := make(chan struct{})
	close(ended)
	if err := p.await(t.Context(), 2, ended); err == nil || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("the error is %v", err)
	}
}

func testPlace(t *testing.T) *place {
	t.Helper()
	e := &environment{}
	p, err := e.newPlace(t.Context(), &sqlite, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	if _, err := p.db.ExecContext(t.Context(), p.create); err != nil {
		t.Fatal(err)
	}
	return p
}

func insert(t *testing.T, p *place, id int, data string) {
	t.Helper()
	_, err := p.db.ExecContext(t.Context(), "INSERT INTO messages (id, op, code, sent_at, data) VALUES (?, 'report', 0, 0, ?)", id, data)
	if err != nil {
		t.Fatal(err)
	}
}

// Ratios are those within a round, and their median is shown; what was lost in any
// round is seen.
func TestTables(t *testing.T) {
	run := func(rate int, cpu time.Duration, lost int) sample {
		return sample{messages: rate, elapsed: time.Second, daemon: time.Duration(rate) * cpu, fate: fate{stored: rate, lost: lost}}
	}
	ours := &row{testCase: cases[0], samples: []sample{run(300, 2, 0), run(30, 4, 0), run(200, 2, 0)}}
	peer := &row{testCase: cases[2], samples: []sample{run(100, 10, 0), run(15, 20, 1), run(50, 10, 2)}}
	for i := range ours.samples {
		ours.samples[i].daemon *= time.Microsecond
		peer.samples[i].daemon *= time.Microsecond
	}
	got := tables([]*row{ours, peer})
	for _, part := range []string{
		"### MariaDB", "| **ingestd** | 200 |  | 2.0 |  | 0.0 | 0 | 0 / 0 / 0 |",
		"| Bento, memory buffer | 50 | **3.0 ×** | 10.0 | **1/5.0** | 0.0 | 0 | 3 / 0 / 0 | acks on receipt",
	} {
		if !strings.Contains(got, part) {
			t.Errorf("%q is not in\n%s", part, got)
		}
	}
}

// Every case has its configuration, with what the run sets, and ours is first.
func TestCases(t *testing.T) {
	first := make(map[*database]bool)
	configs := 0
	for _, c := range cases {
		if c.config == "" {
			first[c.database] = true
			continue
		}
		configs++
		if !first[c.database] || c.givesUp == "" {
			t.Errorf("%s: ours comes first, and the peer gives up something", c.name)
		}
		text, err := os.ReadFile(c.config)
		if err != nil {
			t.Error(err)
		}
		for _, part := range []string{"${ADDRESS}", "${DATABASE}", "ws_path: " + path, "driver: " + c.database.driver} {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s has no %s", c.config, part)
			}
		}
	}
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) != configs {
		t.Errorf("there are %d configurations, %v", len(files), err)
	}
}

// What is wrong on the command line is told before anything runs.
func TestArguments(t *testing.T) {
	for _, args := range [][]string{
		{"--rounds=0"}, {"--seconds=0"}, {"more"}, {"--only=("}, {"--bento=/does/not/exist"}, {"--nothing"},
	} {
		if err := peers(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}
