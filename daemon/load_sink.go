package daemon

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
)

// decodeSink decodes the one sink. Without a block it is the first of the table;
// --set sink=NAME or sink.NAME.x=y chooses another, and so do the variables of
// these names.
func (l *loader) decodeSink(blocks []*hclsyntax.Block) *hclx.Block {
	for i := 1; i < len(blocks); i++ {
		l.Fail(blocks[i].DefRange(), "A second sink",
			fmt.Sprintf("There is exactly one sink; the first is in line %d.", blocks[0].TypeRange.Start.Line))
	}
	name, at := l.plugins.sinks[0].name, hcl.Range{}
	var body *hclsyntax.Body
	if len(blocks) > 0 {
		b := blocks[0]
		if len(b.Labels) != 1 {
			l.Fail(b.DefRange(), "A sink block has one label", `Write sink "NAME" { ... }; NAME is one of `+l.plugins.sinkNames()+".")
			return nil
		}
		name, at, body = b.Labels[0], b.LabelRanges[0], b.Body
	}
	chosen, explicit := l.Take("sink")
	if explicit {
		if chosen.Value != name {
			body = nil
		}
		name, at = chosen.Value, chosen.At
	} else if implied, of := l.impliedSink(); implied != "" && implied != name {
		if body != nil {
			l.Fail(of.At, fmt.Sprintf("The sink is %q", name), fmt.Sprintf("To replace it, %s.", choosing(of, implied)))
			for _, g := range l.Under("sink." + implied) {
				l.Drop(g)
			}
			return nil
		}
		name, at = implied, of.At
	}
	k, ok := l.plugins.sink(name)
	if !ok {
		l.Fail(at, fmt.Sprintf("There is no sink %q", name), "Known are "+l.plugins.sinkNames()+".")
		return nil
	}
	l.cfg.sink = sinkConfig{k, k.defaults()}
	l.NoteOrigin("sink", at)
	l.giveVariables(k, explicit)
	header := at
	if body != nil {
		header = blocks[0].DefRange()
	}
	path := "sink." + name
	b := l.Decode(path, body, header, l.cfg.sink.config)
	b.Report(k.validate(l.cfg.sink.config))
	return b
}

// choosing says how what gave g would choose the sink.
func choosing(g hclx.Given, name string) string {
	if g.Variable() {
		return fmt.Sprintf("set %s=%s", hclx.EnvName("sink"), name)
	}
	return "add --set sink=" + name
}

// impliedSink gives the sink that a --set sink.NAME.x=y is about, or else a variable
// of that kind.
func (l *loader) impliedSink() (name string, of hclx.Given) {
	given := l.Under("sink")
	for _, g := range given {
		if !g.Variable() {
			name, _, _ = strings.Cut(g.Path, ".")
			return name, g
		}
	}
	for _, g := range given {
		if k, ok := l.sinkOf(g); ok {
			return k.name, g
		}
	}
	return "", hclx.Given{}
}

// sinkOf gives the sink that a variable names.
func (l *loader) sinkOf(g hclx.Given) (sinkKind, bool) {
	name, setting, _ := strings.Cut(g.Path, ".")
	if setting == "" {
		return sinkKind{}, false
	}
	return l.plugins.sink(g.Name(name, names(l.plugins.sinks)))
}

// giveVariables makes the variables of the form INGESTD_SINK__X, which name no sink,
// those of the chosen one. What other sinks have is of no use: a mistake, unless it
// was said which sink it is.
func (l *loader) giveVariables(chosen sinkKind, explicit bool) {
	for _, g := range l.Under("sink") {
		if !g.Variable() {
			continue
		}
		other, named := l.sinkOf(g)
		switch {
		case named && other.name == chosen.name:
			continue
		case !named && l.has(chosen, g):
			l.Move(g, "sink."+chosen.name+"."+g.Path)
			continue
		case !named:
			i := slices.IndexFunc(l.plugins.sinks, func(k sinkKind) bool { return l.has(k, g) })
			if i < 0 {
				continue // nobody has it: Finish warns
			}
			other = l.plugins.sinks[i]
		}
		l.Drop(g)
		text := fmt.Sprintf("it is a setting of the sink %q, and the sink is %q", other.name, chosen.name)
		if explicit && named {
			l.Warn(g, text, "")
		} else {
			l.Fail(g.At, "It"+text[len("it"):], fmt.Sprintf("To use the other, %s.", choosing(g, other.name)))
		}
	}
}

// has tells whether k has the setting that g is of, where g names no sink.
func (l *loader) has(k sinkKind, g hclx.Given) bool {
	return slices.ContainsFunc(hclx.Paths("sink", k.defaults()), g.Matches)
}
