package hclx

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ingestd/ingestd/engine"
)

// Write gives the settings of a configuration struct in HCL, as the inside of a
// block that is indented by indent, secrets masked.
func Write(indent string, config any) string { return WriteWith(nil, indent, "", config) }

// WriteWith is Write, with a comment behind each setting that says where it came
// from. Path is that of the block. Nil origins: no comments. What is among known is
// no secret: it stands in the program, as a default does.
func WriteWith(origins Origins, indent, path string, config any, known ...string) string {
	w := writer{origins: origins, known: known}
	w.fields(indent, path, reflect.ValueOf(config))
	return w.out.String()
}

// writer writes blocks.
type writer struct {
	out     strings.Builder
	origins Origins // nil: they are not written
	known   []string
}

// literal is that of a value, and plain where it is known.
func (w *writer) literal(v reflect.Value) string {
	if isSecret(v.Type()) && !slices.ContainsFunc(secretsOf(v), func(s string) bool { return !slices.Contains(w.known, s) }) {
		v = plainly(v)
	}
	return literal(v)
}

// farRight is the last column, in characters, to which comments are moved so that
// they stand below each other.
const farRight = 64

func (w *writer) fields(indent, path string, v reflect.Value) {
	widest := 0
	for _, f := range fieldsOf(v) {
		if !f.block {
			widest = max(widest, len(f.name))
		}
	}
	var lines, origins []string
	for _, f := range fieldsOf(v) {
		if !f.block {
			lines = append(lines, fmt.Sprintf("%s%-*s = %s", indent, widest, f.name, w.literal(f.value)))
			origins = append(origins, w.origins.Of(join(path, f.name)))
		}
	}
	right := 0
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n <= farRight {
			right = max(right, n)
		}
	}
	for i, line := range lines {
		w.out.WriteString(line)
		if w.origins != nil {
			blanks := max(0, right-utf8.RuneCountInString(line)) + 1
			w.out.WriteString(strings.Repeat(" ", blanks) + "# " + origins[i])
		}
		w.out.WriteByte('\n')
	}
	for _, f := range fieldsOf(v) {
		switch {
		case !f.block:
		case f.value.Kind() == reflect.Slice:
			for i := range f.value.Len() {
				element := f.value.Index(i)
				name := labelOf(element).String()
				w.block(indent, join(join(path, f.name), name), f.name+" "+quote(name), element)
			}
		case f.value.Kind() != reflect.Pointer || !f.value.IsNil():
			w.block(indent, join(path, f.name), f.name, f.value)
		}
	}
}

func (w *writer) block(indent, path, header string, v reflect.Value) {
	fmt.Fprintf(&w.out, "\n%s%s {\n", indent, header)
	w.fields(indent+"  ", path, v)
	fmt.Fprintf(&w.out, "%s}\n", indent)
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
