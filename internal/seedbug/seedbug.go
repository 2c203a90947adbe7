//go:build !seedbugs

// Package seedbug plants bugs on purpose, to show that the tests find them. In a
// program that anybody runs there are none: Is is false then, and the compiler
// drops what depends on it. tools/seedbugs.sh builds the tests with the tag
// seedbugs, names one bug after the other in $SEEDBUG, and expects a failure of
// each.
package seedbug

// Is tells whether the bug of that name is planted.
func Is(string) bool { return false }
