package daemon

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
)

// way is a transport that is configured, and is not decoded yet.
type way struct {
	kind  transportKind
	label string
	body  *hclsyntax.Body // nil: the file has no such block
	at    hcl.Range       // of its header, or of the value that makes it
}

func (w way) path() string { return transportPath(w.kind.name, w.label) }

// decodeTransports decodes the transports: those that have a block in the file, and
// those of which the environment or --set has a setting. Without any there is one of
// the table's first kind.
func (l *loader) decodeTransports(blocks []*hclsyntax.Block) {
	ways := l.givenWays(l.waysOf(blocks))
	if len(blocks) == 0 && len(ways) == 0 {
		ways = []way{{kind: l.plugins.transports[0]}}
	}
	// Named ones first: what --set says of them begins with the path of a nameless
	// one of their kind.
	order := slices.Clone(ways)
	slices.SortStableFunc(order, func(a, b way) int { return min(len(b.label), 1) - min(len(a.label), 1) })
	for _, w := range order {
		l.decodeTransport(w)
	}
	place := map[string]int{}
	for i, w := range ways {
		place[w.path()] = i
	}
	slices.SortFunc(l.cfg.transports, func(a, b transportConfig) int { return place[a.path()] - place[b.path()] })
}

// waysOf gives the transports that the blocks of the file are.
func (l *loader) waysOf(blocks []*hclsyntax.Block) (ways []way) {
	seen := map[string]hcl.Range{}
	for _, b := range blocks {
		if len(b.Labels) == 0 || len(b.Labels) > 2 {
			l.Fail(b.DefRange(), "A transport block has one label, or two",
				`Write transport "KIND" { ... } or transport "KIND" "NAME" { ... }; KIND is one of `+l.plugins.transportNames()+".")
			continue
		}
		k, ok := l.plugins.transport(b.Labels[0])
		if !ok {
			l.Fail(b.LabelRanges[0], fmt.Sprintf("There is no transport %q", b.Labels[0]), "Known are "+l.plugins.transportNames()+".")
			continue
		}
		w := way{k, strings.Join(b.Labels[1:], ""), b.Body, b.DefRange()}
		if len(b.Labels) == 2 && !w.mayHaveLabel() {
			l.failLabel(b.LabelRanges[1], w.label)
			continue
		}
		if first, twice := seen[w.path()]; twice {
			l.Fail(b.DefRange(), "A second "+strings.ReplaceAll(w.path(), ".", " "),
				fmt.Sprintf("The first is in line %d. Give each a name of its own: transport %q \"NAME\" { ... }", first.Start.Line, k.name))
			continue
		}
		seen[w.path()] = w.at
		ways = append(ways, w)
	}
	return ways
}

// givenWays adds the transports of which only the environment or --set has a
// setting.
func (l *loader) givenWays(ways []way) []way {
	seen, labels := map[string]bool{}, map[string][]string{} // the paths; and of each kind the names
	note := func(w way) {
		seen[w.path()] = true
		if w.label != "" {
			labels[w.kind.name] = append(labels[w.kind.name], w.label)
		}
	}
	for _, w := range ways {
		note(w)
	}
	for _, g := range l.Under("transport") {
		name, setting, _ := strings.Cut(g.Path, ".")
		k, ok := l.plugins.transport(g.Name(name, names(l.plugins.transports)))
		if !ok && !g.Variable() {
			l.Fail(g.At, fmt.Sprintf("There is no transport %q", name), "Known are "+l.plugins.transportNames()+".")
			l.Drop(g)
		}
		if !ok {
			continue // Finish warns of the variable
		}
		w := way{kind: k, at: g.At}
		if !w.has(g) {
			part, _, _ := strings.Cut(setting, ".")
			w.label = g.Name(part, labels[k.name])
			if w.label == "" || !w.has(g) {
				continue // Decode or Finish reports it
			}
			if !w.mayHaveLabel() {
				l.failLabel(g.At, w.label)
				l.Drop(g)
				continue
			}
		}
		if !seen[w.path()] {
			note(w)
			ways = append(ways, w)
		}
	}
	return ways
}

// has tells whether g is of a setting of the transport.
func (w way) has(g hclx.Given) bool {
	return slices.ContainsFunc(hclx.Paths(w.path(), w.kind.defaults()), g.Matches)
}

// mayHaveLabel tells whether the name of the transport is one.
func (w way) mayHaveLabel() bool {
	return validLabel(w.label) && !isSetting(w.path(), hclx.Paths(transportPath(w.kind.name, ""), w.kind.defaults()))
}

func (l *loader) failLabel(at hcl.Range, label string) {
	l.Fail(at, fmt.Sprintf("A transport cannot be named %q", label),
		"A name has letters, digits, - and _ only, and is not that of a setting or a block.")
}

func (l *loader) decodeTransport(w way) {
	t := transportConfig{w.kind, w.label, w.kind.defaults()}
	l.NoteOrigin(t.path(), w.at)
	b := l.Decode(t.path(), w.body, w.at, t.config)
	b.Report(w.kind.validate(t.config))
	l.checkAck(t, b)
	l.blocks[t.path()] = b
	l.cfg.transports = append(l.cfg.transports, t)
}

// isSetting tells whether path is one of paths, or that of a block of them.
func isSetting(path string, paths []string) bool {
	return slices.ContainsFunc(paths, func(p string) bool { return p == path || strings.HasPrefix(p, path+".") })
}

var label = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func validLabel(s string) bool { return label.MatchString(s) }
