// Package drill proves, or refutes, that a daemon loses, doubles, reorders and
// alters nothing when it is killed: it puts load on one, kills it again and again
// at random moments, and judges what its database holds afterwards.
//
// The judge needs nothing of what the daemon remembers. What a message must look
// like follows from the run, the sender, the id and the number alone ([Run]); what
// each sender sent, and what it was promised by acks, is in its [Ledger]; the
// judge compares these with the rows, which it reads through a connection of its
// own ([Tables]).
//
// A run proves nothing where nothing happened: it is void unless messages were
// acked before and after each kill, and enough of them in all.
//
// Goroutines: one for each sender, and those of its client; one that paces them.
// [Load.Finish] and [Load.Close] wait for all of them.
package drill
