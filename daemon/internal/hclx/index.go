package hclx

import (
	"cmp"
	"iter"
	"slices"
)

// index finds values of the environment and of --set by their paths, so that it takes
// no longer where there are thousands of them. The values of a key are in the order
// in which they were given.
type index map[key][]*given

// key is what values are looked for by: a path, or with below all that is in the block
// of that path. The paths of variables are folded.
type key struct {
	path            string
	variable, below bool
}

// keys lists those of g, of which each finds it.
func (g *given) keys() []key {
	keys := []key{{path: g.path, variable: g.variable != ""}}
	for i := range len(g.path) {
		if g.path[i] == '.' {
			keys = append(keys, key{g.path[:i], g.variable != "", true})
		}
	}
	return keys
}

func (x index) add(g *given) {
	for _, k := range g.keys() {
		i, _ := slices.BinarySearchFunc(x[k], g, func(a, b *given) int { return cmp.Compare(a.rng.Start.Line, b.rng.Start.Line) })
		x[k] = slices.Insert(x[k], i, g)
	}
}

// move gives g another path.
func (x index) move(g *given, path string) {
	for _, k := range g.keys() {
		x[k] = slices.DeleteFunc(x[k], func(o *given) bool { return o == g })
	}
	g.path = path
	x.add(g)
}

// of gives the values of exactly this path, those of the environment first.
func (x index) of(path string) iter.Seq[*given] { return x.find(path, false) }

// below gives the values whose paths begin with path and a dot, those of the
// environment first.
func (x index) below(path string) iter.Seq[*given] { return x.find(path, true) }

func (x index) find(path string, below bool) iter.Seq[*given] {
	return func(yield func(*given) bool) {
		for _, k := range []key{{fold(path), true, below}, {path, false, below}} {
			for _, g := range x[k] {
				if !yield(g) {
					return
				}
			}
		}
	}
}
