package main

// A testCase is one row of the table.
type testCase struct {
	name     string // short, for --only; what comes before the slash is the database
	title    string
	database *database
	config   string // the peer's; empty for ours
	givesUp  string
	numbered bool // messages have numbers, and are acked
}

// What the peer gives up. Its websocket answers nothing in any of them.
const (
	memoryLoses = "acks on receipt: what is buffered is lost with the process; one bad row stops everything"
	commitLoses = "one message of a connection at a time; a batch whose answer is lost is written twice; one bad row stops its connection"
	windowLoses = "as the memory buffer; one window for all ids, and not one transaction"
	asJSON      = "; one line a message"
	power       = "; commits can be lost with the power"
)

// cases are all there are. In each database, ours comes first.
var cases = []testCase{
	{name: "mariadb/ingestd", title: "**ingestd**", database: &mariadb},
	{name: "mariadb/ingestd-acks", title: "**ingestd**, each message acked once it is stored", database: &mariadb, numbered: true},
	{name: "mariadb/memory", title: "Bento, memory buffer", database: &mariadb, config: "mariadb-memory.yaml", givesUp: memoryLoses},
	{name: "mariadb/memory-json", title: "Bento, memory buffer, batches as JSON", database: &mariadb, config: "mariadb-memory-json.yaml", givesUp: memoryLoses + asJSON},
	{name: "mariadb/commit", title: "Bento, next frame after the commit", database: &mariadb, config: "mariadb-commit.yaml", givesUp: commitLoses},
	{name: "mariadb/commit-json", title: "Bento, next frame after the commit, batches as JSON", database: &mariadb, config: "mariadb-commit-json.yaml", givesUp: commitLoses + asJSON},
	{name: "mariadb/grouped", title: "Bento, memory buffer, grouped by id", database: &mariadb, config: "mariadb-grouped.yaml", givesUp: windowLoses},
	{name: "sqlite/ingestd", title: "**ingestd**, `FULL`", database: &sqlite},
	{name: "sqlite/ingestd-acks", title: "**ingestd**, each message acked once it is stored, `FULL`", database: &sqlite, numbered: true},
	{name: "sqlite/memory", title: "Bento, memory buffer, `NORMAL`", database: &sqlite, config: "sqlite-memory.yaml", givesUp: memoryLoses + power},
	{name: "sqlite/memory-json", title: "Bento, memory buffer, batches as JSON, `NORMAL`", database: &sqlite, config: "sqlite-memory-json.yaml", givesUp: memoryLoses + asJSON + power},
	{name: "sqlite/commit", title: "Bento, next frame after the commit, `NORMAL`", database: &sqlite, config: "sqlite-commit.yaml", givesUp: commitLoses + power},
	{name: "sqlite/commit-json", title: "Bento, next frame after the commit, batches as JSON, `NORMAL`", database: &sqlite, config: "sqlite-commit-json.yaml", givesUp: commitLoses + asJSON + power},
	{name: "sqlite/grouped", title: "Bento, memory buffer, grouped by id, `NORMAL`", database: &sqlite, config: "sqlite-grouped.yaml", givesUp: windowLoses + power},
}
