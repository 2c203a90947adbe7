//go:build seedbugs

package seedbug

import "os"

// Is tells whether the bug of that name is planted.
func Is(name string) bool { return os.Getenv("SEEDBUG") == name }
