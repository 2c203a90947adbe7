package sink

import (
	"strings"

	"github.com/ingestd/ingestd/engine"
)

// RowOverhead is more than a row takes in a statement beyond its texts.
const RowOverhead = 160

// RowSize is how many bytes the row of m takes in a statement, at most.
func RowSize(m *engine.Message) int {
	return len(m.ID) + len(m.Client) + len(m.Op) + len(m.Remote) + len(m.Sender) + len(m.Data) + RowOverhead
}

// StreamSize is how many bytes the row of s takes in a statement, at most.
func StreamSize(s *Stream) int {
	n := len(s.ID) + RowOverhead
	if s.Final != nil {
		n += len(s.Final.Data)
	}
	return n
}

// Chunk tells how many of n rows go into the next statement: the greatest of the
// shapes, which descend to 1, that is not more than n and whose rows take no
// more than limit bytes. So every statement is one of few, and is prepared once.
func Chunk(n, limit int, shapes []int, size func(k int) int) int {
	fits, bytes := 0, 0
	for fits < min(n, shapes[0]) {
		if bytes += size(fits); bytes > limit {
			break
		}
		fits++
	}
	for _, shape := range shapes {
		if shape <= fits {
			return shape
		}
	}
	return 1
}

// Tuples writes n tuples of placeholders: (?,?),(?,?).
func Tuples(n, columns int) string {
	tuple := "(" + strings.Repeat("?,", columns-1) + "?)"
	return strings.Repeat(tuple+",", n-1) + tuple
}
