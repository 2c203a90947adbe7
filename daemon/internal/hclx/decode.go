package hclx

import (
	"fmt"
	"reflect"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Decode fills the struct that into points to from a block of the file, or from
// the file's top level, and from what the environment and --set say under path.
// What none of them says keeps its value, and null says nothing. Body is nil where the file has no
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
		s.noteUnknown(path, body, diags)
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
		if given := s.take(full, !secret); given != nil {
			a := &attr{at: given.rng, field: f.value, hidden: secret}
			b.attrs[f.name] = a
			s.origins[full] = given.String()
			s.assign(f, a, value{cty.StringVal(given.value), true, !secret})
		} else if src != nil {
			a := &attr{at: src.Expr.Range(), field: f.value}
			b.attrs[f.name] = a
			s.origins[full] = place(a.at)
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
// nil where there is neither a block nor a value for it of --set or the environment.
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
		made := reflect.New(v.Type().Elem())
		if body == nil {
			given := s.settingsUnder(path, Paths(path, made.Interface()))
			if len(given) == 0 {
				return nil
			}
			at = given[0].rng
		}
		if v.IsNil() {
			v.Set(made)
		}
		v = v.Elem()
	}
	return s.decode(path, body, at, v)
}

// decodeNamed appends to a slice a struct for each of the blocks that have a name,
// and for each name that only --set or the environment has. The returned Block holds theirs.
func (s *Source) decodeNamed(path string, found hcl.Blocks, v reflect.Value) *Block {
	all := &Block{source: s, several: true, blocks: map[string]*Block{}}
	names, folded := map[string]bool{}, map[string]bool{}
	add := func(name string, body *hclsyntax.Body, at hcl.Range) {
		names[name], folded[fold(name)] = true, true
		element := reflect.New(v.Type().Elem()).Elem()
		labelOf(element).SetString(name)
		all.blocks[name] = s.decode(join(path, name), body, at, element)
		all.blocks[name].element = true
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
	for _, g := range s.settingsUnder(path, Paths(path+".NAME", reflect.New(v.Type().Elem()).Interface())) {
		rest, _ := g.under(path)
		part, _, _ := cutLast(rest, ".")
		known := names
		if g.variable != "" {
			known = folded
		}
		if !known[part] {
			add(g.name(part), nil, g.rng)
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
	for g := range s.index.below(path) {
		if !g.used && g.variable == "" {
			g.used = true
			s.fail(g.rng, fmt.Sprintf("There is no setting %q", g.path), didYouMean(g.path, Paths(path, v.Interface())))
		}
	}
}

// noteUnknown notes the attributes that are not of the block at path.
func (s *Source) noteUnknown(path string, body *hclsyntax.Body, diags hcl.Diagnostics) {
	for _, d := range diags {
		for name, a := range body.Attributes {
			if d.Summary == "Unsupported argument" && d.Subject != nil && *d.Subject == a.NameRange {
				s.unknown = append(s.unknown, unknown{d, path, name})
			}
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
