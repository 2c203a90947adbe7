// Package hclx fills plain Go structs from HCL.
//
// gohcl reads tags well and values too simply for a configuration: it takes 5 as
// five nanoseconds, knows no sizes and no secrets, and its diagnostics print
// whatever stands in the faulty line. So hclx reads the same tags and decodes each
// value itself.
//
// A [Source] is one file and the values of --set. [Source.Decode] fills a struct,
// which keeps its defaults where the source says nothing, and returns a [Block]
// that knows where each value came from, so that what the struct's own Validate
// finds later can be shown at its place. All mistakes are collected;
// [Source.Mistakes] tells them at the end.
//
// No secret leaves the package: source lines are shown with the values masked
// that are not known to be harmless.
package hclx
