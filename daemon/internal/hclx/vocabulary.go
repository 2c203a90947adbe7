package hclx

import "reflect"

// Vocabulary says what of a file that cannot be parsed may be shown: lines that
// set one of Plain, or begin one of Blocks. Everything else could be a secret.
type Vocabulary struct {
	Plain  map[string]bool // attributes that are never secret
	Blocks map[string]bool
}

// NewVocabulary knows the words of the given configuration structs.
func NewVocabulary(configs ...any) Vocabulary {
	w := Vocabulary{Plain: map[string]bool{}, Blocks: map[string]bool{}}
	for _, c := range configs {
		w.Add(c)
	}
	return w
}

// Add adds the names of a configuration struct to words: what is a secret
// in any of them is never plain.
func (w *Vocabulary) Add(config any) {
	v := reflect.ValueOf(config)
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v = reflect.New(v.Type().Elem()) // what it would have
		}
		v = v.Elem()
	}
	for _, f := range fieldsOf(v) {
		switch {
		case f.block && f.value.Kind() == reflect.Slice:
			w.Blocks[f.name] = true
			w.Add(reflect.New(f.value.Type().Elem()).Interface())
		case f.block:
			w.Blocks[f.name] = true
			w.Add(f.value.Interface())
		case isSecret(f.value.Type()):
			w.Plain[f.name] = false
		default:
			if _, known := w.Plain[f.name]; !known {
				w.Plain[f.name] = true
			}
		}
	}
}
