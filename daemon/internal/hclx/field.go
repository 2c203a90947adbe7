package hclx

import (
	"reflect"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// field is a field of a configuration struct that has a name in HCL.
type field struct {
	name  string
	block bool
	live  bool // it can change while the program runs
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
		of := v.Type().Field(i)
		name, what, _ := strings.Cut(of.Tag.Get("hcl"), ",")
		switch {
		case name == "" && of.Anonymous && of.Type.Kind() == reflect.Struct:
			fields = append(fields, fieldsOf(v.Field(i))...)
		case name != "" && name != "-" && what != "label":
			fields = append(fields, field{name, what == "block", of.Tag.Get("live") == "true", v.Field(i)})
		}
	}
	return fields
}

// labelOf gives the field of a struct that is the name of its block; the zero Value
// where it has none.
func labelOf(v reflect.Value) reflect.Value {
	for i := range v.NumField() {
		if _, what, _ := strings.Cut(v.Type().Field(i).Tag.Get("hcl"), ","); what == "label" {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// schemaOf is the schema of a struct. Nothing in it is required: what must be
// given, the struct's Validate says.
func schemaOf(v reflect.Value) *hcl.BodySchema {
	schema := &hcl.BodySchema{}
	for _, f := range fieldsOf(v) {
		switch {
		case !f.block:
			schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: f.name})
		case f.value.Kind() == reflect.Slice:
			schema.Blocks = append(schema.Blocks, hcl.BlockHeaderSchema{Type: f.name, LabelNames: []string{"name"}})
		default:
			schema.Blocks = append(schema.Blocks, hcl.BlockHeaderSchema{Type: f.name})
		}
	}
	return schema
}
