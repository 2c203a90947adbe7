package hclx

import "reflect"

// Setting is what there is to know of a setting without its meaning.
type Setting struct {
	Path    string // as Paths has it
	Type    string // for a person
	Default string // as the file would have it
	Live    bool   // it can change while the program runs
}

// Settings lists those of a configuration struct, in its order. Blocks that there
// need not be are taken as they would be if they were there and empty.
func Settings(prefix string, config any) []Setting {
	return settings(prefix, reflect.ValueOf(config), false)
}

func settings(prefix string, v reflect.Value, live bool) (all []Setting) {
	for _, f := range fieldsOf(v) {
		path, live := join(prefix, f.name), live || f.live
		switch {
		case !f.block:
			all = append(all, Setting{path, typeOf(f.value), literal(plainly(f.value)), live})
		case f.value.Kind() == reflect.Slice:
			all = append(all, settings(path+".NAME", reflect.New(f.value.Type().Elem()), live)...)
		case f.value.Kind() == reflect.Pointer && f.value.IsNil():
			all = append(all, settings(path, reflect.New(f.value.Type().Elem()), live)...)
		default:
			all = append(all, settings(path, f.value, live)...)
		}
	}
	return all
}

// plainly gives a list of what is no secret as what may be shown. What is not in a
// list is shown where it is empty, anyway.
func plainly(v reflect.Value) reflect.Value {
	if isSecret(v.Type()) && v.Kind() == reflect.Slice && !v.IsNil() {
		return reflect.ValueOf(secretsOf(v))
	}
	return v
}

// typeOf names the type of a setting for a person.
func typeOf(v reflect.Value) string {
	switch t := v.Type(); {
	case t == durationType:
		return "duration"
	case t == sizeType:
		return "size"
	case t == secretType:
		return "secret"
	case isSecret(t):
		return "secrets"
	case t.Kind() == reflect.String:
		return "string"
	case t.Kind() == reflect.Bool:
		return "bool"
	case v.CanInt():
		return "number"
	case t.Kind() == reflect.Slice:
		return "strings"
	}
	return v.Type().String()
}
