// Package browser tests the dashboard with a real browser: the built program runs
// as its own process, clients send to it, and a Chromium without a window looks at
// the page, clicks and types. There is nothing in it but tests.
//
// The browser is spoken to in its own protocol (CDP) over a pipe, with the standard
// library alone (chromium_test.go); docs/decisions.md says why.
//
// TestCostOfLooking measures what the dashboard and /metrics cost the daemon; its
// long form judges it.
//
// TestScreenshots writes what it sees to bin/screenshots. With -update-images it
// also renews the images of the README.
package browser
