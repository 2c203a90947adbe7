package hclx

import (
	"errors"
	"reflect"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingestd/ingestd/engine"
)

// Block knows where the values of a decoded struct came from.
type Block struct {
	source  *Source
	at      hcl.Range // of the header; zero where the file has no such block
	attrs   map[string]*attr
	blocks  map[string]*Block
	several bool // it stands for several blocks, which blocks has by their names
	element bool // it is one of those
}

// attr is one value that the file, the environment or --set gave.
type attr struct {
	at     hcl.Range
	field  reflect.Value
	hidden bool // errors must not quote the value
	failed bool // reported already; what Validate says of it is noise
}

// find gives the block that holds an option, "tls.cert" in a block tls or
// "token.edge.ids" in a block token "edge", and its attr, nil where it has its
// default. Of what cannot be found it gives the block around it.
func (b *Block) find(option string) (*Block, *attr) {
	for {
		head, rest, nested := strings.Cut(option, ".")
		next := b.blocks[head]
		switch {
		case next == nil && nested:
			return b, nil
		case next == nil:
			return b, b.attrs[option]
		case !nested && next.several:
			return b, nil
		case !nested:
			return next, nil
		case next.several:
			return next.findNamed(rest, b)
		}
		b, option = next, rest
	}
}

// findNamed is find for blocks that have names, "edge.ids"; around is where they
// stand. There may be points in a name.
func (b *Block) findNamed(option string, around *Block) (*Block, *attr) {
	for name, of := range b.blocks {
		if option == name {
			return of, nil
		}
		if inside, ok := strings.CutPrefix(option, name+"."); ok && of.attrs[inside] != nil {
			return of.find(inside)
		}
	}
	if name, _, ok := cutLast(option, "."); ok && b.blocks[name] != nil {
		return b.blocks[name], nil
	}
	return around, nil
}

// Report adds what the struct's Validate found: every [engine.OptionError] at the
// place of its setting, or at the block where that has its default.
func (b *Block) Report(err error) {
	for _, e := range Flatten(err) {
		var option *engine.OptionError
		if !errors.As(e, &option) {
			b.source.fail(b.place(nil), b.redact(e.Error()), "")
			continue
		}
		b.ReportOption(option)
	}
}

// ReportOption adds one fault of a setting. What was reported before, because the
// value could not be read, is not reported again.
func (b *Block) ReportOption(e *engine.OptionError) {
	holder, a := b.find(e.Option)
	if a != nil && a.failed || a == nil && holder.element && holder.failed() {
		return
	}
	if a == nil {
		a = holder.named(e.Problem)
	}
	name := e.Option
	if at := holder.place(a); at.Start.Line > 0 {
		_, name, _ = cutLast("."+name, ".") // the place shows which block it is
	}
	b.source.fail(holder.place(a), name+": "+holder.redact(e.Problem), "")
}

// Warn adds warnings of what err, joined [engine.OptionError]s, says.
func (b *Block) Warn(err error) {
	for _, e := range Flatten(err) {
		var option *engine.OptionError
		if !errors.As(e, &option) {
			b.source.warn(b.source.shortly(b.place(nil)), b.redact(e.Error()), "")
			continue
		}
		holder, a := b.find(option.Option)
		b.source.warn(b.source.shortly(holder.place(a)), option.Option+": "+holder.redact(option.Problem), "")
	}
}

// Failed tells whether there is a value for an option that could not be read, so
// that it has its default.
func (b *Block) Failed(option string) bool {
	_, a := b.find(option)
	return a != nil && a.failed
}

// failed tells whether something in the block could not be read. Of a token, say,
// whose value is such, it is not known whether it has one.
func (b *Block) failed() bool {
	for _, a := range b.attrs {
		if a.failed {
			return true
		}
	}
	return false
}

// named gives the attr that a problem names, where that is but one: a setting that
// has its default is wrong because of it.
func (b *Block) named(problem string) (found *attr) {
	for _, word := range words.FindAllString(problem, -1) {
		if a := b.attrs[word]; a != nil && a != found {
			if found != nil {
				return nil
			}
			found = a
		}
	}
	return found
}

var words = regexp.MustCompile(`[a-z_]+`)

// redact takes out of a text what errors must not quote.
func (b *Block) redact(text string) string {
	for _, a := range b.attrs {
		if a.hidden && (a.field.Kind() == reflect.String || isSecret(a.field.Type())) {
			text = Redact(text, secretsOf(a.field)...)
		}
	}
	return text
}

// place is that of a, or of the block's header, or of the whole configuration.
func (b *Block) place(a *attr) hcl.Range {
	switch {
	case a != nil:
		return a.at
	case b.at != hcl.Range{}:
		return b.at
	}
	return hcl.Range{Filename: b.source.name}
}

// Flatten takes joined errors apart.
func Flatten(err error) []error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range many.Unwrap() {
			all = append(all, Flatten(e)...)
		}
		return all
	}
	return []error{err}
}
