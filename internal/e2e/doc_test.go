package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// Every test that the package's documentation names is there.
func TestNamedTestsExist(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	must(t, err)
	have := make(map[string]bool)
	for _, pattern := range []string{"*_test.go", "../../engine/*_test.go"} {
		files, err := filepath.Glob(pattern)
		must(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			must(t, err)
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(text, -1) {
				have[string(m[1])] = true
			}
		}
	}
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(doc), -1) {
		if !have[name] {
			t.Errorf("there is no %s", name)
		}
	}
}
