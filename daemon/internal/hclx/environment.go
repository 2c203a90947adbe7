package hclx

import (
	"regexp"
	"slices"
	"strings"
)

// EnvPrefix begins the name of every variable that is a setting.
const EnvPrefix = "INGESTD_"

// EnvName is the variable of the setting at path: two underscores stand for a dot,
// one for what is neither a letter nor a digit, and all letters are capitals.
func EnvName(path string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(fold(path), ".", "__"))
}

// fold writes a path so that all that have one variable are the same.
func fold(path string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '-':
			return '_'
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, path)
}

var capitals = regexp.MustCompile(`^[A-Z0-9_]*$`)

// emptyValue stands for a value that is empty: an empty variable is none.
const emptyValue = `""`

// parseVariable reads NAME=value.
func (s *Source) parseVariable(text string) {
	name, value, _ := strings.Cut(text, "=")
	if value == "" {
		return
	}
	if value == emptyValue {
		value = ""
	}
	g := &given{variable: name, value: value}
	if key := strings.TrimPrefix(name, EnvPrefix); capitals.MatchString(key) {
		g.path = fold(strings.ReplaceAll(key, "__", "."))
	}
	s.give(g, envFile)
}

// warnUnknown warns of a variable that is no setting. Paths are those that there
// are.
func (s *Source) warnUnknown(g *given, paths []string) {
	advice := ""
	if found := variables(withLeaf(g.path, paths)); g.path != "" && len(found) > 0 {
		advice = question(found)
	} else {
		advice = nearest(strings.ToUpper(g.variable), variables(paths))
	}
	s.warn(g.String(), "there is no such setting", advice)
}

// variables gives the variables of paths, each once.
func variables(paths []string) (names []string) {
	for _, path := range paths {
		if name := EnvName(path); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Warning is what is worth a look and is no mistake. No secret is in it.
type Warning struct {
	Place  string // "config.hcl:12", "$INGESTD_SINK"
	Text   string
	Advice string // a sentence; may be empty
}

// String tells all of it in one line.
func (w Warning) String() string {
	text := w.Place + ": " + w.Text
	if w.Advice != "" {
		text += ". " + w.Advice
	}
	return text
}

// Warnings are those of all that was decoded.
func (s *Source) Warnings() []Warning { return s.warnings }

// Warn adds a warning of a value that Under returned.
func (s *Source) Warn(g Given, text, advice string) { s.warn(g.String(), text, advice) }

func (s *Source) warn(place, text, advice string) {
	s.warnings = append(s.warnings, Warning{place, text, advice})
}
