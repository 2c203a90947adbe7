// Package limit holds what the daemon is measured against: each of its stages
// alone, as bare as it can be written with the same libraries. None of them keeps
// any of the daemon's promises.
package limit
