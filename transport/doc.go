// Package transport brings messages in. [WebSocket] is a server for websocket
// clients, [HTTP] one for POST requests, and [WebSocketClient] connects to servers of
// others; any other way in is an [engine.Transport] too, and package transporttest
// tells whether it keeps that contract.
//
// # The parts
//
// A frame is read into a pooled buffer and decoded in place (decode.go,
// envelope.go, scan.go): a message's id and data are views into the frame until
// Route has returned. A connection (conn.go, route.go, settle.go) keeps a bounded
// table of its streams (streams.go), and a queue of answers (answers.go) in which
// acks are raised while they wait. What a client may do with it is limited
// (limits.go) by what its reading goroutine and its socket count (reading.go,
// socket.go). What ends with a connection is decided by
// [Holds], which all transports of a program share. The wire format is in wire.go,
// what the log is told in log.go. A transport of a host program's own reads the same
// messages with a [Decoder].
//
// Before any of that, every request to a server passes its gate (gate.go): whose
// address it has (proxies.go), whether there is room (sockets.go), which page it
// comes from (origins.go), and who sends it (auth.go, tokens.go). What the gate
// needs is read from the configuration and from files (server_config.go, certs.go)
// into rules that others replace while the server runs. The port, its TLS and its
// HTTP server are made in listen.go.
//
// The body of a request is read (http_body.go, bodies.go) and decoded like a frame.
// What becomes of its messages is noted (http_post.go, http_settle.go) until it can
// be answered (http_outcome.go).
//
// A feed (feed.go), which a WebSocketClient connects to, is told nothing: nothing is
// kept of its messages but their number. Messages that are not of the form of our
// own are read by a mapping (mapping.go, mapped.go), in all of the three.
//
// # Goroutines
//
//	goroutine   started by            ends                     blocks on
//	accept      Serve                 when the drain begins    the listener
//	clock       Serve                 with Serve               a ticker
//	watch       Serve                 with Serve               a ticker; the files of tokens
//	                                                           and certificates
//	request     the HTTP server       once upgraded            the client's request; the host
//	                                                           program's Authenticate
//	run         ServeHTTP, one a      with the connection      the socket; Route; room for
//	            connection                                     answers and control messages;
//	                                                           a stream to be settled; its rate
//	write       the first answer in   when the queue is empty  the socket, at most
//	            an empty queue                                 WriteTimeout a burst
//	ping        the clock             when it is answered      the socket, at most PingTimeout
//	close       the last answer of    with the connection      the socket, at most 3 s
//	            a drain
//	expel       Update, watch, where  with the connection      the socket, at most 3 s
//	            a token is taken back
//	dismiss     the clock, where a    with the connection      the socket, at most 3 s
//	            message does not end
//
// Those of an HTTP:
//
//	goroutine   started by            ends                     blocks on
//	accept      Serve                 when the drain begins    the listener
//	watch       Serve                 with Serve               a ticker
//	request     the HTTP server, one  with the connection      the socket, at most BodyTimeout
//	            a connection                                   and a second for each 16 KiB;
//	                                                           a turn to decompress; Route;
//	                                                           Settled
//	shut        the drain             when all are answered    the requests
//
// Those of a WebSocketClient:
//
//	goroutine   started by            ends                     blocks on
//	run         Serve, one a feed     when the drain begins    a timer; the handshake, at most
//	                                                           ConnectTimeout; the socket; Route
//	watch       run, one a            with the connection      a ticker; in a drain the socket,
//	            connection                                     at most a second
//	ping        watch                 when it is answered      the socket, at most PingTimeout
//
// Serve waits for all of them. Settled and Spooled come on the engine's
// goroutines; they take the connection's lock, which is never held during Route or
// while the socket is written.
//
// # Locks
//
// The lock of a connection, or of a request, comes before a shard of Holds. The
// server's own lock, which guards the set of connections, is never held together
// with a connection's. In the gate, the lock of its places comes before that of the
// sockets; nothing else is done under either.
package transport
