package hclx

import "reflect"

// Changed lists the settings in which two configuration structs of one type
// differ, as --set names them. A block that only one of them has counts as one, and
// so do all blocks of a kind that have names.
func Changed(prefix string, before, after any) []string {
	var paths []string
	differences(prefix, reflect.ValueOf(before), reflect.ValueOf(after), func(path string, _, _ field) {
		paths = append(paths, path)
	})
	return paths
}

// Adopt gives a pointer to a copy of what before points to, in which the settings
// that can change while the program runs, those with a tag live:"true", are those
// of after. It lists the settings that it took, and the others in which the two
// differ.
func Adopt(prefix string, before, after any) (adopted any, live, rest []string) {
	v := clone(reflect.ValueOf(before))
	differences(prefix, v, reflect.ValueOf(after), func(path string, a, b field) {
		if !a.live {
			rest = append(rest, path)
			return
		}
		live = append(live, path)
		a.value.Set(b.value)
	})
	return v.Interface(), live, rest
}

// clone copies what p points to, and the blocks in it.
func clone(p reflect.Value) reflect.Value {
	c := reflect.New(p.Type().Elem())
	c.Elem().Set(p.Elem())
	for _, f := range fieldsOf(c) {
		if f.block && f.value.Kind() == reflect.Pointer && !f.value.IsNil() {
			f.value.Set(clone(f.value))
		}
	}
	return c
}

func differences(prefix string, a, b reflect.Value, report func(path string, a, b field)) {
	other := fieldsOf(b)
	for i, f := range fieldsOf(a) {
		path, o := join(prefix, f.name), other[i]
		pointer := f.value.Kind() == reflect.Pointer
		switch {
		case f.block && f.value.Kind() == reflect.Struct, f.block && pointer && !f.value.IsNil() && !o.value.IsNil():
			differences(path, f.value, o.value, func(path string, a, b field) {
				a.live = a.live || f.live
				report(path, a, b)
			})
		case !reflect.DeepEqual(f.value.Interface(), o.value.Interface()):
			report(path, f, o)
		}
	}
}

// Get returns the setting of a configuration struct that has this name and type.
func Get[T any](config any, name string) (value T, ok bool) {
	for _, f := range fieldsOf(reflect.ValueOf(config)) {
		if x, is := f.value.Interface().(T); is && f.name == name {
			return x, true
		}
	}
	return value, false
}
