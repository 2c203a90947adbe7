// Package long sizes the tests that have a short form, which is always run, and a
// long one, which `make long` runs.
package long

import "os"

// On tells whether the long form is to be run.
func On() bool { return os.Getenv("INGEST_LONG") != "" }

// Scale gives the size of a test: short, or long.
func Scale(short, long int) int {
	if On() {
		return long
	}
	return short
}
