// Package api has the JSON of /api/v1, which admin.listen answers, and a client of
// it. docs/api.md has an example of each.
//
// Times are RFC 3339 in UTC with microseconds. Numbers of messages and of dead
// letters are strings, since they can be past what a double holds exactly. What is
// not known is null.
package api
