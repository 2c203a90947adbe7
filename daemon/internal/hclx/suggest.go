package hclx

import (
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
)

// didYouMean names those of names that have the given one in a block, or the
// nearest one, where one is near.
func didYouMean(given string, names []string) string {
	if found := withLeaf(given, names); len(found) > 0 {
		return question(found)
	}
	return nearest(given, names)
}

// nearest asks for the one of names that given is a misspelling of; it is empty
// where none is near. A name without a block is compared with the last parts alone.
func nearest(given string, names []string) string {
	best, least := "", len(given)/4+2
	for _, name := range names {
		full := name
		if !strings.Contains(given, ".") {
			_, name, _ = cutLast("."+name, ".")
		}
		if d := levenshtein.Distance(given, name, nil); d < least {
			best, least = full, d
		}
	}
	if best == "" {
		return ""
	}
	return question([]string{best})
}

// withLeaf gives those of names that end in a dot and the given one.
func withLeaf(given string, names []string) (found []string) {
	for _, name := range names {
		if strings.HasSuffix(name, "."+given) {
			found = append(found, name)
		}
	}
	return found
}

// manyNames is how many names are too many to ask for one of them.
const manyNames = 4

func question(names []string) string {
	if len(names) >= manyNames {
		return ""
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%q", name)
	}
	return fmt.Sprintf("Did you mean %s?", alternatives(names, "or"))
}

// alternatives writes "a", "a or b", "a, b or c".
func alternatives(words []string, and string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " " + and + " " + words[last]
}

// unknown is an attribute of the file, at the path of its block, that is not one of
// that block.
type unknown struct {
	diag        *hcl.Diagnostic
	block, name string
}

// advise adds where the attribute belongs, unless something like it was found in
// its own block.
func (u unknown) advise(names []string) {
	if strings.Contains(u.diag.Detail, "Did you mean") {
		return
	}
	advice := ""
	if u.block == "" {
		advice = didYouMean(u.name, names)
	} else {
		// A kind of sink is told of other sinks, and a transport of other transports.
		kind, _, _ := strings.Cut(u.block, ".")
		var blocks []string
		for _, name := range withLeaf(u.name, names) {
			if of, ok := strings.CutPrefix(name, kind+"."); ok {
				block, _, _ := cutLast(of, ".")
				blocks = append(blocks, fmt.Sprintf("%s %q", kind, block))
			}
		}
		if len(blocks) > 0 {
			advice = fmt.Sprintf("It is a setting of %s.", alternatives(blocks, "and"))
		}
	}
	if advice != "" {
		u.diag.Detail = strings.TrimSpace(u.diag.Detail + " " + advice)
	}
}
