// Package attack attacks ingestd: the built program runs as its own process, each
// attack comes from a process of its own, the test's binary once more, and a client
// that behaves is served meanwhile, which must lose nothing and must not lose its
// connection. There is nothing in it but tests. docs/security.md says what they
// show, with the figures of their long forms.
//
// What a test asserts is what the daemon did: whom it closed and with which code,
// whom it refused with which status, what it stored, and what it holds afterwards.
// How long something took is logged; only the long form (see package long) compares
// the client's acks before, during and after an attack.
package attack
