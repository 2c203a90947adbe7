package daemon

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/engine"
)

// load decodes and validates a configuration. The error is [hclx.Mistakes]: all
// mistakes at once.
func (p *plugins) load(name string, src []byte, sets []string) (*config, error) {
	l := &loader{
		plugins: p,
		Source:  hclx.Parse(name, src, sets, p.vocabulary()),
		cfg:     &config{core: defaultCore()},
	}
	if l.Parsed() {
		l.decode()
	}
	if m := l.Mistakes(); m != nil {
		return nil, m
	}
	return l.cfg, nil
}

// loader decodes one configuration.
type loader struct {
	*hclx.Source
	plugins *plugins
	cfg     *config
}

func (l *loader) decode() {
	// Taken first, so that what is left is the core's own.
	blocks := l.Take("transport", "sink")
	top := l.Decode("", l.Body(), hcl.Range{}, &l.cfg.core)
	top.Report(l.cfg.validate())

	sink := l.decodeSink(ofType(blocks, "sink"))
	l.decodeTransports(ofType(blocks, "transport"))
	l.reportEngine(top, sink)
	l.checkSpool(top)
	l.Finish(l.plugins.paths())
}

func ofType(blocks []*hclsyntax.Block, name string) []*hclsyntax.Block {
	return slices.DeleteFunc(slices.Clone(blocks), func(b *hclsyntax.Block) bool { return b.Type != name })
}

// reportEngine reports what the engine's Validate finds, at the places of the
// settings that its options are made of.
func (l *loader) reportEngine(top, sink *hclx.Block) {
	for _, e := range hclx.Flatten(l.cfg.engineOptions().Validate()) {
		var option *engine.OptionError
		if !errors.As(e, &option) {
			continue
		}
		if path := enginePlaces[option.Option]; path != "" {
			top.ReportOption(&engine.OptionError{Option: path, Problem: option.Problem})
		} else if sink != nil && l.cfg.sink.validate(l.cfg.sink.config) == nil {
			sink.ReportOption(option)
		}
	}
}

// decodeSink decodes the one sink. Without a block it is the first of the table;
// --set sink=NAME or sink.NAME.x=y chooses another.
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
	if chosen, place, ok := l.TakeSet("sink"); ok {
		if chosen != name {
			body = nil
		}
		name, at = chosen, place
	} else if implied, place := l.impliedSink(); implied != "" && implied != name {
		if body != nil {
			l.Fail(place, fmt.Sprintf("The sink is %q", name), fmt.Sprintf("To replace it, add --set sink=%s.", implied))
			l.DropSets("sink." + implied)
			return nil
		}
		name, at = implied, place
	}
	k, ok := l.plugins.sink(name)
	if !ok {
		l.Fail(at, fmt.Sprintf("There is no sink %q", name), "Known are "+l.plugins.sinkNames()+".")
		return nil
	}
	l.cfg.sink = sinkConfig{k, k.defaults()}
	header := at
	if body != nil {
		header = blocks[0].DefRange()
	}
	path := "sink." + name
	b := l.Decode(path, body, header, l.cfg.sink.config)
	b.Report(k.validate(l.cfg.sink.config))
	return b
}

// impliedSink gives the sink that a --set sink.NAME.x=y is about.
func (l *loader) impliedSink() (name string, at hcl.Range) {
	paths, places := l.SetsUnder("sink")
	if len(paths) == 0 {
		return "", hcl.Range{}
	}
	name, _, _ = strings.Cut(strings.TrimPrefix(paths[0], "sink."), ".")
	return name, places[0]
}

// decodeTransports decodes the transport blocks; without any there is one of the
// table's first kind.
func (l *loader) decodeTransports(blocks []*hclsyntax.Block) {
	if len(blocks) == 0 {
		l.decodeTransport(l.plugins.transports[0], "", nil, hcl.Range{})
		return
	}
	// Named ones first: what --set says of them begins with the path of a nameless
	// one of their kind.
	order := slices.Clone(blocks)
	slices.SortStableFunc(order, func(a, b *hclsyntax.Block) int { return len(b.Labels) - len(a.Labels) })
	seen := map[string]hcl.Range{}
	for _, b := range order {
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
		label := strings.Join(b.Labels[1:], "")
		path := transportPath(k.name, label)
		if len(b.Labels) == 2 && (!validLabel(label) || isSetting(path, hclx.Paths(transportPath(k.name, ""), k.defaults()))) {
			l.Fail(b.LabelRanges[1], fmt.Sprintf("A transport cannot be named %q", label),
				"A name has letters, digits, - and _ only, and is not that of a setting or a block.")
			continue
		}
		if first, twice := seen[path]; twice {
			l.Fail(b.DefRange(), "A second "+strings.ReplaceAll(path, ".", " "),
				fmt.Sprintf("The first is in line %d. Give each a name of its own: transport %q \"NAME\" { ... }", first.Start.Line, k.name))
			continue
		}
		seen[path] = b.DefRange()
		l.decodeTransport(k, label, b.Body, b.DefRange())
	}
	slices.SortStableFunc(l.cfg.transports, func(a, b transportConfig) int {
		return seen[a.path()].Start.Line - seen[b.path()].Start.Line
	})
}

func (l *loader) decodeTransport(k transportKind, label string, body *hclsyntax.Body, at hcl.Range) {
	t := transportConfig{k, label, k.defaults()}
	b := l.Decode(t.path(), body, at, t.config)
	b.Report(k.validate(t.config))
	l.checkAck(t, b)
	l.cfg.transports = append(l.cfg.transports, t)
}

// isSetting tells whether path is one of paths, or that of a block of them.
func isSetting(path string, paths []string) bool {
	return slices.ContainsFunc(paths, func(p string) bool { return p == path || strings.HasPrefix(p, path+".") })
}

var label = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func validLabel(s string) bool { return label.MatchString(s) }

func (p *plugins) sinkNames() string {
	var names []string
	for _, k := range p.sinks {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}

func (p *plugins) transportNames() string {
	var names []string
	for _, k := range p.transports {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}

// paths lists every setting that this build has, as --set names it.
func (p *plugins) paths() []string {
	paths := append(hclx.Paths("", defaultCore()), "sink")
	for _, k := range p.sinks {
		paths = append(paths, hclx.Paths("sink."+k.name, k.defaults())...)
	}
	for _, k := range p.transports {
		paths = append(paths, hclx.Paths(transportPath(k.name, ""), k.defaults())...)
	}
	return paths
}

// vocabulary is every word of the configurations that this build can read.
func (p *plugins) vocabulary() hclx.Vocabulary {
	core := defaultCore()
	words := hclx.NewVocabulary(&core)
	for _, k := range p.sinks {
		words.Add(k.defaults())
	}
	for _, k := range p.transports {
		words.Add(k.defaults())
	}
	words.Blocks["sink"], words.Blocks["transport"] = true, true
	return words
}
