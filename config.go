// Package ingestd holds the documented example of the daemon's configuration, so
// that the program prints the same file that is read here. The program is
// cmd/ingestd; what a Go program embeds is package engine.
package ingestd

import _ "embed"

//go:embed config.hcl
var config string

// ExampleConfig is the text of config.hcl: every setting, with its default.
func ExampleConfig() string { return config }
