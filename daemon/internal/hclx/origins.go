package hclx

import (
	"maps"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Origins say where values came from, by the paths of their settings: a place in
// the file as "config.hcl:12", "$NAME" of a variable, or "--set". A setting that is
// not there has its default.
type Origins map[string]string

// Default is the origin of what nothing gave.
const Default = "default"

// Of tells where the value of a setting came from.
func (o Origins) Of(path string) string {
	if from, ok := o[path]; ok {
		return from
	}
	return Default
}

// FromEnvironment tells whether anything came from a variable.
func (o Origins) FromEnvironment() bool {
	return o.any(func(from string) bool { return from[0] == '$' })
}

// FromSets tells whether anything came from --set.
func (o Origins) FromSets() bool { return o.any(func(from string) bool { return from == setFile }) }

func (o Origins) any(is func(from string) bool) bool {
	for _, from := range o {
		if is(from) {
			return true
		}
	}
	return false
}

// After gives the origins once next is in effect, but for the settings and blocks
// at the paths of rest, which are as they were.
func (o Origins) After(next Origins, rest []string) Origins {
	after := maps.Clone(next)
	for _, path := range rest {
		in := func(name, _ string) bool { return name == path || strings.HasPrefix(name, path+".") }
		maps.DeleteFunc(after, in)
		for name, from := range o {
			if in(name, from) {
				after[name] = from
			}
		}
	}
	return after
}

// Origins are those of all that was decoded.
func (s *Source) Origins() Origins { return s.origins }

// NoteOrigin says that the thing at path, a block or a choice, is what stands at a
// place, of the file, the environment or --set.
func (s *Source) NoteOrigin(path string, at hcl.Range) {
	if at.Start.Line > 0 {
		s.origins[path] = s.shortly(at)
	}
}

// shortly names a place.
func (s *Source) shortly(at hcl.Range) string {
	switch {
	case isGiven(at):
		return s.given[at.Start.Line-1].String()
	case at.Start.Line > 0:
		return place(at)
	}
	return at.Filename
}
