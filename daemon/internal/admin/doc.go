// Package admin is the server of admin.listen: the page, /api/v1, /metrics, the
// profiles, /healthz and /readyz. docs/api.md describes what it answers, and who is
// let in.
//
// What it serves at first is a daemon that starts, and knows little. [Server.Attach]
// gives it the rest.
//
// Its goroutines:
//
//	goroutine     started by      ends with          blocks on
//	Serve         the caller      Close              accept
//	sampler       Serve           Close              a tick each second, and what [Daemon] is asked for
//	connections   net/http        Close, or itself   the client; each answer has a deadline
//
// Requests run on the goroutine of their connection. Those that last, events and
// tails, end at once with Close and with another token, and are bounded in number.
package admin
