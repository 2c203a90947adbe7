package daemon

import (
	"errors"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/engine"
)

// load decodes and validates a configuration. The error is [hclx.Mistakes]: all
// mistakes at once.
func (p *plugins) load(in hclx.Input) (*config, error) { return p.loadWith(in, false) }

// check is load that looks into the files that the configuration names, too.
func (p *plugins) check(in hclx.Input) (*config, error) { return p.loadWith(in, true) }

func (p *plugins) loadWith(in hclx.Input, files bool) (*config, error) {
	l := &loader{
		plugins: p,
		Source:  hclx.Parse(in, p.vocabulary()),
		cfg:     &config{core: defaultCore()},
		blocks:  map[string]*hclx.Block{},
	}
	if l.Parsed() {
		l.decode()
		if files {
			l.checkFiles()
		}
	}
	if m := l.Mistakes(); m != nil {
		return nil, m
	}
	l.cfg.origins, l.cfg.warnings = l.Origins(), l.Warnings()
	return l.cfg, nil
}

// loader decodes one configuration.
type loader struct {
	*hclx.Source
	plugins *plugins
	cfg     *config
	top     *hclx.Block
	sink    *hclx.Block            // nil: it cannot be told which it is
	blocks  map[string]*hclx.Block // of the transports, by their paths
}

func (l *loader) decode() {
	// Taken first, so that what is left is the core's own.
	blocks := l.TakeBlocks("transport", "sink")
	top := l.Decode("", l.Body(), hcl.Range{}, &l.cfg.core)
	top.Report(l.cfg.validate())
	l.top = top

	l.sink = l.decodeSink(ofType(blocks, "sink"))
	l.decodeTransports(ofType(blocks, "transport"))
	l.reportEngine(top, l.sink)
	l.checkSpool(top)
	l.checkLeases()
	l.checkLoop()
	l.checkListeners(top)
	l.Finish(l.plugins.paths(), l.variables())
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

func (p *plugins) sinkNames() string      { return strings.Join(names(p.sinks), ", ") }
func (p *plugins) transportNames() string { return strings.Join(names(p.transports), ", ") }

// names lists those of a table's plugins.
func names[K interface{ kindName() string }](kinds []K) (list []string) {
	for _, k := range kinds {
		list = append(list, k.kindName())
	}
	return list
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

// variables is paths with what only the environment can name, so that a variable can
// be told what was meant: the settings of a sink without its name, and of transports
// that have a name.
func (l *loader) variables() []string {
	paths := l.plugins.paths()
	for _, k := range l.plugins.sinks {
		paths = append(paths, hclx.Paths("sink", k.defaults())...)
	}
	for _, t := range l.cfg.transports {
		if t.label != "" {
			paths = append(paths, hclx.Paths(t.path(), t.config)...)
		}
	}
	for _, k := range l.plugins.transports {
		for _, g := range l.Under(transportPath(k.name, "")) {
			part, _, nested := strings.Cut(g.Path, ".")
			w := way{kind: k, label: g.Name(part, nil)}
			if nested && w.mayHaveLabel() {
				paths = append(paths, hclx.Paths(w.path(), k.defaults())...)
			}
		}
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
