package load

import "bytes"

// Numbers reads the data of a message that was stored: the connection that sent it,
// and how many that one had sent to the same id before.
func Numbers(data []byte) (conn, n int, ok bool) {
	rest, ok1 := bytes.CutPrefix(data, []byte(`{"c":`))
	conn, rest, ok2 := cutNumber(rest)
	rest, ok3 := bytes.CutPrefix(rest, []byte(`,"n":`))
	n, _, ok4 := cutNumber(rest)
	return conn - firstConn, n - firstSeq, ok1 && ok2 && ok3 && ok4
}

// Sample is a message of size bytes, and its data.
func Sample(size int) (message []byte, data string) {
	l := makeLayout(size, 0, false)
	at := bytes.Index(l.text, []byte(`"data":`)) + len(`"data":`)
	return l.text, string(l.text[at : len(l.text)-1])
}
