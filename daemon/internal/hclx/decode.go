package hclx

import (
	"fmt"
	"reflect"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Decode fills the struct that into points to from a block of the file, or from
// the file's top level, and from the values of --set under path. What neither
// says keeps its value, and null says nothing. Body is nil where the file has no
// such block; at is the place of the block's header.
//
// Fields have hcl tags, as for gohcl; "-" leaves one out. Beside gohcl's own types
// they may be time.Duration, [engine.Size] and [engine.Secret]; a list of strings
// that is an [encoding.TextUnmarshaler] takes a string, too. Tagged as a block
// they are a struct or a pointer to one, for a block that there may be once, or a
// slice of structs of which one field is tagged as the label, for blocks that have
// a name each. The fields of an embedded struct without a tag are those of the
// struct that embeds it.
func (s *Source) Decode(path string, body *hclsyntax.Body, at hcl.Range, into any) *Block {
	return s.decode(path, body, at, reflect.ValueOf(into).Elem())
}

func (s *Source) decode(path string, body *hclsyntax.Body, at hcl.Range, v reflect.Value) *Block {
	b := &Block{source: s, at: at, attrs: map[string]*attr{}, blocks: map[string]*Block{}}
	schema := schemaOf(v)
	content := &hcl.BodyContent{}
	if body == s.body {
		for _, name := range s.took {
			schema.Blocks = append(schema.Blocks, hcl.BlockHeaderSchema{Type: name})
		}
	}
	if body != nil {
		var diags hcl.Diagnostics
		content, diags = body.Content(schema)
		s.diags = append(s.diags, diags...)
	}
	for _, f := range fieldsOf(v) {
		full := join(path, f.name)
		if f.block {
			found := content.Blocks.OfType(f.name)
			if f.value.Kind() == reflect.Slice {
				b.blocks[f.name] = s.decodeNamed(full, found, f.value)
			} else {
				b.blocks[f.name] = s.decodeBlock(full, found, f.value)
			}
			continue
		}
		secret := isSecret(f.value.Type())
		src := content.Attributes[f.name]
		if src != nil && !secret {
			s.plain[src.Expr.Range()] = true
		}
		if given := s.takeSet(full, !secret); given != nil {
			a := &attr{at: given.rng, field: f.value, hidden: secret}
			b.attrs[f.name] = a
			s.assign(f, a, value{cty.StringVal(given.value), true, !secret})
		} else if src != nil {
			a := &attr{at: src.Expr.Range(), field: f.value}
			b.attrs[f.name] = a
			val, ok := s.evaluate(f.name, src.Expr, secret)
			a.failed, a.hidden = !ok, !val.quote
			if ok && !val.IsNull() {
				s.assign(f, a, val)
			}
		}
	}
	s.unknownSets(path, v)
	return b
}

func (s *Source) assign(f field, a *attr, val value) {
	if p := assign(f.value, val); p != nil {
		a.failed = true
		s.fail(a.at, f.name+": "+p.summary, p.detail)
	}
}

// decodeBlock fills the struct of a block that there may be once. A pointer stays
// nil where there is neither a block nor a --set in it.
func (s *Source) decodeBlock(path string, found hcl.Blocks, v reflect.Value) *Block {
	for i := 1; i < len(found); i++ {
		s.fail(found[i].DefRange, fmt.Sprintf("A second %s block", found[i].Type),
			fmt.Sprintf("There can be one; the first is in line %d.", found[0].DefRange.Start.Line))
	}
	var body *hclsyntax.Body
	var at hcl.Range
	if len(found) > 0 {
		body, _ = found[0].Body.(*hclsyntax.Body)
		at = found[0].DefRange
	}
	if v.Kind() == reflect.Pointer {
		sets, _ := s.SetsUnder(path)
		if body == nil && len(sets) == 0 {
			return nil
		}
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	return s.decode(path, body, at, v)
}

// decodeNamed appends to a slice a struct for each of the blocks that have a name,
// and for each name that only --set has. The returned Block holds theirs.
func (s *Source) decodeNamed(path string, found hcl.Blocks, v reflect.Value) *Block {
	all := &Block{source: s, named: true, blocks: map[string]*Block{}}
	add := func(name string, body *hclsyntax.Body, at hcl.Range) {
		element := reflect.New(v.Type().Elem()).Elem()
		labelOf(element).SetString(name)
		all.blocks[name] = s.decode(join(path, name), body, at, element)
		v.Set(reflect.Append(v, element))
	}
	for _, b := range found {
		name := b.Labels[0]
		if first := all.blocks[name]; first != nil {
			s.fail(b.DefRange, fmt.Sprintf("A second %s %q", b.Type, name),
				fmt.Sprintf("Give each a name of its own; the first is in line %d.", first.at.Start.Line))
			continue
		}
		body, _ := b.Body.(*hclsyntax.Body)
		add(name, body, b.DefRange)
	}
	paths, _ := s.SetsUnder(path)
	for _, p := range paths {
		name, _, ok := cutLast(strings.TrimPrefix(p, path+"."), ".")
		if ok && all.blocks[name] == nil {
			add(name, nil, hcl.Range{})
		}
	}
	return all
}

// unknownSets reports the values of --set that name a setting of this block that
// there is not. Those of the top level are left to Finish, which knows all paths.
func (s *Source) unknownSets(path string, v reflect.Value) {
	if path == "" {
		return
	}
	names := Paths(path, v.Interface())
	for _, set := range s.sets {
		if !set.used && strings.HasPrefix(set.path, path+".") {
			set.used = true
			s.fail(set.rng, fmt.Sprintf("There is no setting %q", set.path), didYouMean(set.path, names))
		}
	}
}

// Paths lists the settings of a configuration struct as --set names them.
func Paths(prefix string, config any) []string {
	var paths []string
	for _, f := range fieldsOf(reflect.ValueOf(config)) {
		switch {
		case !f.block:
			paths = append(paths, join(prefix, f.name))
		case f.value.Kind() == reflect.Slice:
			paths = append(paths, Paths(join(prefix, f.name)+".NAME", reflect.New(f.value.Type().Elem()).Interface())...)
		case f.value.Kind() == reflect.Pointer:
			paths = append(paths, Paths(join(prefix, f.name), reflect.New(f.value.Type().Elem()).Interface())...)
		default:
			paths = append(paths, Paths(join(prefix, f.name), f.value.Interface())...)
		}
	}
	sort.Strings(paths)
	return paths
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}
