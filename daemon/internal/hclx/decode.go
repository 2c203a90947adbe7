package hclx

import (
	"fmt"
	"reflect"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Decode fills the struct that into points to from a block of the file, or from
// the file's top level, and from the values of --set under path. What neither
// says keeps its value, and null says nothing. Body is nil where the file has no
// such block; at is the place of the block's header.
//
// Fields have hcl tags, as for gohcl; "-" leaves one out. Beside gohcl's own types
// they may be time.Duration, [engine.Size] and [engine.Secret], and structs or
// pointers to structs tagged as blocks.
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
			b.blocks[f.name] = s.decodeBlock(full, content.Blocks.OfType(f.name), f.value)
			continue
		}
		secret := f.value.Type() == secretType
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

// schemaOf is gohcl's, without fields tagged "-", and with nothing required: what
// must be given, the struct's Validate says.
func schemaOf(v reflect.Value) *hcl.BodySchema {
	implied, _ := gohcl.ImpliedBodySchema(v.Interface())
	schema := &hcl.BodySchema{Blocks: implied.Blocks}
	for _, a := range implied.Attributes {
		if a.Name != "-" {
			schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: a.Name})
		}
	}
	return schema
}

// field is a field of a configuration struct that has a name in HCL.
type field struct {
	name  string
	block bool
	value reflect.Value
}

// fieldsOf lists them in the order of the struct that v is or points to. A nil
// pointer has none.
func fieldsOf(v reflect.Value) []field {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if !v.IsValid() {
		return nil
	}
	var fields []field
	for i := range v.NumField() {
		name, what, _ := strings.Cut(v.Type().Field(i).Tag.Get("hcl"), ",")
		if name != "" && name != "-" {
			fields = append(fields, field{name, what == "block", v.Field(i)})
		}
	}
	return fields
}
