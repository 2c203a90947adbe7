package hclx

import "reflect"

// Changed lists the settings in which two configuration structs of one type
// differ, as --set names them.
func Changed(prefix string, before, after any) []string {
	return changed(prefix, reflect.ValueOf(before), reflect.ValueOf(after))
}

func changed(prefix string, a, b reflect.Value) []string {
	var paths []string
	other := fieldsOf(b)
	for i, f := range fieldsOf(a) {
		full := join(prefix, f.name)
		switch {
		case f.block && f.value.Kind() != reflect.Pointer:
			paths = append(paths, changed(full, f.value, other[i].value)...)
		case !reflect.DeepEqual(f.value.Interface(), other[i].value.Interface()):
			paths = append(paths, full)
		}
	}
	return paths
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
