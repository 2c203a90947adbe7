// Package child runs ingestd as a child of this process, for what kills it and
// starts it again: the drill, and the tests of faults. The child is in a process
// group of its own, so that a signal from a terminal does not reach it, and dies
// with this process, where the system can do that.
package child
