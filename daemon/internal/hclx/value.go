package hclx

import (
	"encoding"
	"fmt"
	"math/big"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/ingestd/ingestd/engine"
)

// problem says why a value does not do: what is wrong, and what would be right.
type problem struct{ summary, detail string }

var (
	durationType = reflect.TypeFor[time.Duration]()
	sizeType     = reflect.TypeFor[engine.Size]()
	secretType   = reflect.TypeFor[engine.Secret]()

	// A list of this type takes a string, too, for a list of one.
	textType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// isSecret tells whether values of type t are not to be shown.
func isSecret(t reflect.Type) bool {
	return t == secretType || t.Kind() == reflect.Slice && t.Elem() == secretType
}

// assign puts v into the field f.
func assign(f reflect.Value, val value) *problem {
	v, quote, loose := val.Value, val.quote, val.loose
	switch f.Type() {
	case durationType:
		return assignDuration(f, v, quote)
	case sizeType:
		return assignSize(f, v, quote)
	}
	switch {
	case f.Kind() == reflect.String:
		if v.Type() != cty.String {
			return &problem{"a string is required, not " + kind(v), "Write it in quotes."}
		}
		f.SetString(v.AsString())
		return nil
	case f.CanInt():
		return assignInt(f, v, loose)
	case f.Kind() == reflect.Bool:
		if b, err := convert.Convert(v, cty.Bool); err == nil && (loose || v.Type() == cty.Bool) {
			f.SetBool(b.True())
			return nil
		}
		return &problem{"true or false is required", ""}
	case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.String:
		return assignStrings(f, v, loose)
	}
	return assignOther(f, v)
}

func assignDuration(f reflect.Value, v cty.Value, quote bool) *problem {
	if v.Type() == cty.Number {
		return &problem{"a duration needs a unit", fmt.Sprintf("Write %q, or another unit: ms, s, m or h.", v.AsBigFloat().Text('f', -1)+"s")}
	}
	if v.Type() != cty.String {
		return &problem{"a duration is required, not " + kind(v), `Write it in quotes: "500ms", "10s", "1h30m".`}
	}
	d, err := time.ParseDuration(v.AsString())
	if err != nil {
		return &problem{quoted(v, quote) + " is not a duration", `Write a number and a unit: "500ms", "10s", "1h30m".`}
	}
	f.SetInt(int64(d))
	return nil
}

func assignSize(f reflect.Value, v cty.Value, quote bool) *problem {
	if v.Type() == cty.Number {
		return &problem{"a size needs a unit", fmt.Sprintf("Write %q, or another unit: KiB, MiB or GiB.", v.AsBigFloat().Text('f', -1)+"B")}
	}
	if v.Type() != cty.String {
		return &problem{"a size is required, not " + kind(v), `Write it in quotes: "512KiB", "1MiB".`}
	}
	n, ok := parseSize(v.AsString())
	if !ok {
		detail := `Write a whole number and a unit, B, KiB, MiB or GiB: "512KiB", "1MiB".`
		if guess := guessSize(v.AsString()); guess != "" && quote {
			detail += fmt.Sprintf(" Did you mean %q?", guess)
		}
		return &problem{quoted(v, quote) + " is not a size", detail}
	}
	f.SetInt(int64(n))
	return nil
}

var sizeForm = regexp.MustCompile(`^([0-9]+)(B|KiB|MiB|GiB)$`)

func parseSize(s string) (engine.Size, bool) {
	m := sizeForm.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	unit := map[string]engine.Size{"B": engine.Byte, "KiB": engine.KiB, "MiB": engine.MiB, "GiB": engine.GiB}[m[2]]
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || n > int64((1<<63-1)/unit) {
		return 0, false
	}
	return engine.Size(n) * unit, true
}

var sizeLike = regexp.MustCompile(`(?i)^\s*([0-9]{1,9})\s*([kmg]?)i?b?\s*$`)

// guessSize gives the size that 1MB, 1 MiB, 1m or 1mib was meant to be.
func guessSize(s string) string {
	m := sizeLike.FindStringSubmatch(s)
	if m == nil {
		return ""
	}
	return m[1] + map[string]string{"": "B", "K": "KiB", "M": "MiB", "G": "GiB"}[strings.ToUpper(m[2])]
}

func assignInt(f reflect.Value, v cty.Value, loose bool) *problem {
	required := &problem{"a whole number is required, not " + kind(v), ""}
	if v.Type() != cty.Number && !loose {
		return required
	}
	n, err := convert.Convert(v, cty.Number)
	if err != nil {
		return &problem{"a whole number is required", ""}
	}
	i, acc := n.AsBigFloat().Int64()
	switch {
	case acc != big.Exact && n.AsBigFloat().IsInt(), acc == big.Exact && f.OverflowInt(i):
		return &problem{"the number is too large", ""}
	case acc != big.Exact:
		return &problem{"a whole number is required", ""}
	}
	f.SetInt(i)
	return nil
}

func assignStrings(f reflect.Value, v cty.Value, loose bool) *problem {
	required := &problem{"a list of strings is required", `Write ["one", "two"].`}
	one, takesOne := f.Addr().Interface().(encoding.TextUnmarshaler)
	if takesOne {
		required = &problem{"a string, or a list of strings, is required", ""}
	}
	if takesOne && v.Type() == cty.String && (!loose || isSecret(f.Type())) {
		if err := one.UnmarshalText([]byte(v.AsString())); err != nil {
			return &problem{err.Error(), ""}
		}
		return nil
	}
	out := reflect.MakeSlice(f.Type(), 0, 0)
	add := func(s string) { out = reflect.Append(out, reflect.ValueOf(s).Convert(f.Type().Elem())) }
	switch {
	case v.Type() == cty.String && loose:
		for _, part := range strings.Split(v.AsString(), ",") {
			if part = strings.TrimSpace(part); part != "" {
				add(part)
			}
		}
	case v.Type().IsTupleType() || v.Type().IsListType() || v.Type().IsSetType():
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			if e.IsNull() || e.Type() != cty.String {
				return required
			}
			add(e.AsString())
		}
	default:
		return required
	}
	f.Set(out)
	return nil
}

// assignOther takes the types of a plugin's own that are none of the above, as
// gohcl would.
func assignOther(f reflect.Value, v cty.Value) *problem {
	want, err := gocty.ImpliedType(f.Addr().Interface())
	if err != nil {
		panic(fmt.Sprintf("hclx: no value can be decoded into %s", f.Type()))
	}
	v, err = convert.Convert(v, want)
	if err == nil {
		err = gocty.FromCtyValue(v, f.Addr().Interface())
	}
	if err != nil {
		return &problem{"the value is not of the right type: " + err.Error(), ""}
	}
	return nil
}

// kind names the type of v for a person.
func kind(v cty.Value) string {
	switch ty := v.Type(); {
	case ty == cty.String:
		return "a string"
	case ty == cty.Number:
		return "a number"
	case ty == cty.Bool:
		return "a bool"
	case ty.IsTupleType(), ty.IsListType(), ty.IsSetType():
		return "a list"
	}
	return "an object"
}

func quoted(v cty.Value, quote bool) string {
	if !quote {
		return "the value"
	}
	return strconv.Quote(v.AsString())
}
