// Package e2e tests ingestd from end to end: the built program runs as its own
// process, real websocket clients send to it, and what is judged is what SQLite
// or a real MariaDB holds afterwards. There is nothing in it but tests.
//
// A payload follows from the test, the sender, the id and the number alone, so the
// judge (oracle_test.go) can tell what is lost, doubled, out of order, altered or
// was never sent, without asking those who sent it. Nothing waits for a time to
// pass, and no test fails because something took long.
//
// # Known defects of such programs
//
// This program exists because an earlier design of its kind had these defects.
// Each has a test that fails on the behaviour described; where a socket or a
// process has to do with it, here, otherwise in package engine.
//
//	 1  An id that is new after the first look freezes everything.
//	    TestLateID; engine: TestLateStream
//	 2  Two messages of a new id at once make two channels, and one is orphaned.
//	    TestFirstMessagesAtOnce; engine: TestLanesAreMadeAndForgottenUnderLoad
//	 3  A goroutine for each message loses the order, and the back-pressure.
//	    TestLoadSQLite, TestLoadMySQL, TestServerKilled (order);
//	    engine: TestBackPressure, TestMillionStreams (goroutines)
//	 4  A connection that breaks leaves its goroutines, or loses what is buffered.
//	    TestAbruptDisconnect, TestChurn
//	 5  SIGTERM loses what is buffered.
//	    TestTermUnderLoad; engine: TestDrainStoresWhatIsBuffered
//	 6  The linger starts again with each message.
//	    TestTrickle; engine, to the millisecond: TestTrickleIsStoredAfterItsLinger
//	 7  The table of connections is not synchronised.
//	    TestChurn, with the race detector in the daemon
//	 8  What ends with a connection is the wrong id; done overtakes its reports.
//	    TestAbruptDisconnect, TestDisconnectOfOneOfTwo, TestDoneComesLast;
//	    engine: TestDoneComesAfterItsReports
//	 9  Null data is lost with a panic; a database error loses the batch.
//	    TestNullData, TestDatabaseError, TestServerKilled;
//	    engine: TestOutageLosesNothing
//	10  No limits; and what was made for an id is never removed.
//	    TestHostileClients, TestBadFrames, TestMillionStreams;
//	    engine: TestIdleStreamsAreForgotten
//	11  A new id is noticed late; one that changes its connection loses its order;
//	    a client never learns what was stored.
//	    TestLateID, TestIDMovesBetweenConnections, TestNamedClientResends,
//	    TestTermUnderLoad
package e2e
