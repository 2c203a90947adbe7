package hclx

import (
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
)

// didYouMean names the nearest of names, where one is near: the given one
// without its block, or misspelt.
func didYouMean(given string, names []string) string {
	for _, name := range names {
		if strings.HasSuffix(name, "."+given) {
			return fmt.Sprintf("Did you mean %q?", name)
		}
	}
	best, least := "", len(given)/4+2
	for _, name := range names {
		if d := levenshtein.Distance(given, name, nil); d < least {
			for _, name := range names {
				if strings.HasSuffix(name, "."+given) {
					return fmt.Sprintf("Did you mean %q?", name)
				}
			}
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("Did you mean %q?", best)
}
