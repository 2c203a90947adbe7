package metrics

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

const (
	alerts    = "../deploy/prometheus/alerts.yaml"
	dashboard = "../deploy/grafana/dashboard.json"
)

// known are the names of all series that a daemon can have.
func known(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, m := range defined {
		if m.kind != histogram {
			names[m.name] = true
			continue
		}
		for _, end := range []string{"_bucket", "_count", "_sum"} {
			names[m.name+end] = true
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		names[f.GetName()] = true
	}
	return names
}

var (
	seriesName = regexp.MustCompile(`\b(?:ingest|process|go)_[a-z_]+`)
	expression = regexp.MustCompile(`(?m)^\s+expr: (.*)$`)
)

// A panel or an alert on a metric that does not exist is always quiet.
func TestDeployedNamesExist(t *testing.T) {
	rules, err := os.ReadFile(alerts)
	if err != nil {
		t.Fatal(err)
	}
	var queries []string
	for _, m := range expression.FindAllStringSubmatch(string(rules), -1) {
		queries = append(queries, m[1])
	}
	if len(queries) != strings.Count(string(rules), "- alert:") {
		t.Errorf("%d expressions", len(queries))
	}
	names, used := known(t), map[string]bool{}
	for _, query := range append(queries, panels(t)...) {
		found := seriesName.FindAllString(query, -1)
		if len(found) == 0 && !strings.HasPrefix(query, "up{") {
			t.Errorf("names no metric: %s", query)
		}
		for _, name := range found {
			used[name] = true
			if !names[name] {
				t.Errorf("there is no %s: %s", name, query)
			}
		}
	}
	// And what is worth being collected is worth being looked at, but for these.
	for _, m := range defined {
		seen := slices.ContainsFunc(slices.Collect(maps.Keys(used)), func(name string) bool { return strings.HasPrefix(name, m.name) })
		switch m {
		case frames, taken, failures, bodies, feedConnects, feedFailures, numbersFailing, draining, spoolReplayed, spoolTorn:
		default:
			if !seen {
				t.Errorf("no panel and no alert shows %s", m.name)
			}
		}
	}
}

// panels are the queries of the dashboard, whose panels do not overlap.
func panels(t *testing.T) (queries []string) {
	t.Helper()
	type panel struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr string }
	}
	var d struct {
		UID, Title string
		Panels     []panel
	}
	text, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if d.UID != "ingestd" || d.Title == "" {
		t.Errorf("%q %q", d.UID, d.Title)
	}
	for i, p := range d.Panels {
		if p.Title == "" || (len(p.Targets) == 0) != (p.Type == "row") || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d: %+v", p.ID, p)
		}
		for _, q := range d.Panels[:i] {
			a, b := p.GridPos, q.GridPos
			if p.ID == q.ID || a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %q and %q overlap", p.Title, q.Title)
			}
		}
		for _, target := range p.Targets {
			queries = append(queries, target.Expr)
		}
	}
	return queries
}

// The rules are valid, and each fires when it should and not before.
func TestAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("promtool is missing; tools/needs.sh installs it: %v", err)
	}
	rules, err := os.ReadFile(alerts)
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(filepath.Join(filepath.Dir(alerts), "alerts_test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(string(rules), -1) {
		quiet := strings.Contains(string(tests), "{alertname: "+m[1]+", eval_time: 30m, exp_alerts: []}")
		if fires := strings.Contains(string(tests), `alertname="`+m[1]+`",alertstate="firing"`); !quiet || !fires {
			t.Errorf("%s is not tested", m[1])
		}
	}
	if n := strings.Count(string(rules), "- alert:"); strings.Count(string(rules), "runbook:") != n || strings.Count(string(rules), "summary:") != n {
		t.Error("an alert has no summary, or nothing to do")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		c := exec.CommandContext(t.Context(), promtool, args...)
		c.Dir = filepath.Dir(alerts)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
