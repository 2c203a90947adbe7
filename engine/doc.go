// Package engine takes messages about things known by an id and stores them in
// batches, one stream for each id, without losing, doubling or reordering any.
package engine
