// Package docs_test keeps the documents true: what they show is compared with the
// program, or run.
package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// root is the top of the module.
var root string

// program is the built daemon.
var program string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ingestd")
	if err == nil {
		root, err = filepath.Abs("..")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program = filepath.Join(dir, "ingestd")
	build := exec.Command("go", "build", "-o", program, "./cmd/ingestd")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	_ = os.Unsetenv("INGESTD_CONFIG")
	return m.Run()
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fences gives the code blocks of a document that are in a language.
func fences(text, language string) []string {
	var all []string
	for {
		_, rest, ok := strings.Cut(text, "\n```"+language+"\n")
		if !ok {
			return all
		}
		block, after, ok := strings.Cut(rest, "```")
		if !ok {
			return all
		}
		all, text = append(all, block), after
	}
}
