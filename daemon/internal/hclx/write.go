package hclx

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// Write gives the settings of a configuration struct in HCL, as the inside of a
// block that is indented by indent, secrets masked.
func Write(indent string, config any) string {
	var out strings.Builder
	writeFields(&out, indent, reflect.ValueOf(config))
	return out.String()
}

func writeFields(out *strings.Builder, indent string, v reflect.Value) {
	widest := 0
	for _, f := range fieldsOf(v) {
		if !f.block {
			widest = max(widest, len(f.name))
		}
	}
	for _, f := range fieldsOf(v) {
		if !f.block {
			fmt.Fprintf(out, "%s%-*s = %s\n", indent, widest, f.name, literal(f.value))
		}
	}
	for _, f := range fieldsOf(v) {
		switch {
		case !f.block:
		case f.value.Kind() == reflect.Slice:
			for i := range f.value.Len() {
				element := f.value.Index(i)
				writeBlock(out, indent, f.name+" "+quote(labelOf(element).String()), element)
			}
		case f.value.Kind() != reflect.Pointer || !f.value.IsNil():
			writeBlock(out, indent, f.name, f.value)
		}
	}
}

func writeBlock(out *strings.Builder, indent, header string, v reflect.Value) {
	fmt.Fprintf(out, "\n%s%s {\n", indent, header)
	writeFields(out, indent+"  ", v)
	fmt.Fprintf(out, "%s}\n", indent)
}

// literal writes a value as the file would have it.
func literal(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return strconv.Quote(Duration(x))
	case engine.Size:
		return strconv.Quote(x.String())
	case engine.Secret:
		return quote(x.String())
	}
	switch {
	case v.Kind() == reflect.String:
		return quote(v.String())
	case v.Kind() == reflect.Slice && v.IsNil():
		return "null"
	case v.Kind() == reflect.Slice && v.Len() == 1 && reflect.PointerTo(v.Type()).Implements(textType):
		return literal(v.Index(0))
	case v.Kind() == reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = literal(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}

var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "${", "$${", "%{", "%%{")

// quote writes s as a string of HCL.
func quote(s string) string { return `"` + escapes.Replace(s) + `"` }

// Duration writes d as a person would: 10s, 1m, 1h30m, without the zero units of
// time.Duration's own String.
func Duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
