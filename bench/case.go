package main

import (
	"github.com/ingestd/ingestd/bench/load"
)

// A testCase is one row of the table.
type testCase struct {
	name    string // short, for --only and the targets
	title   string
	subject subject
	load    load.Config

	// warm is how many messages the first run has, which is checked and not counted.
	// It also tells how many fill a round. Where like names another case of the
	// block, that one tells it; where count is set, that many do.
	warm  int
	like  string
	count int

	// rounds bounds how often it is run; 0: as often as asked. slow leaves it out of
	// the quick run, and cold means that it is not run to warm up.
	rounds int
	slow   bool
	cold   bool

	// half says that the load has half the rate that the named case of the block
	// reached in the same round.
	half string
}

// A block is cases that are compared with one another: they take turns.
type block struct {
	name, title string
	cases       []testCase
}

// standard is the load of most cases: 64 connections, 1,000 ids, 150 bytes, one
// message a frame, unnumbered.
func standard() load.Config {
	return load.Config{Conns: 64, IDs: 1000, Size: 150, PerFrame: 1}
}

// with is standard, changed.
func with(change ...func(*load.Config)) load.Config {
	c := standard()
	for _, f := range change {
		f(&c)
	}
	return c
}

func fifty(c *load.Config)    { c.PerFrame = 50 }
func numbered(c *load.Config) { c.Numbered = true }
func shared(c *load.Config)   { c.Shared = true }

// single lets every write carry one frame, as from devices that send now and then.
func single(c *load.Config) { c.Burst = 1 }

func ids(n int) func(*load.Config)   { return func(c *load.Config) { c.IDs = n } }
func conns(n int) func(*load.Config) { return func(c *load.Config) { c.Conns = n } }
func size(n int) func(*load.Config)  { return func(c *load.Config) { c.Size = n } }
