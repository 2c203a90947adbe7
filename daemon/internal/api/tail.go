package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
)

// Tail yields messages as they are accepted, of the stream id or, where that is
// empty, of all. Where the reader was too slow, it yields a Message of which only
// Dropped is set. It ends with an error, or without one where the server ended it
// in order, which is when it drains.
func (c *Client) Tail(ctx context.Context, id string) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		query := url.Values{}
		if id != "" {
			query.Set("id", id)
		}
		answer, err := c.do(ctx, http.MethodGet, "tail", query, nil)
		if err != nil {
			yield(Message{}, err)
			return
		}
		defer func() { _ = answer.Close() }()
		lines := bufio.NewScanner(answer)
		lines.Buffer(nil, mostLine)
		for lines.Scan() {
			m, err := decodeTailed(lines.Bytes())
			if err != nil {
				yield(Message{}, fmt.Errorf("tail %s: %w", c.base, err))
				return
			}
			if !yield(m, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(Message{}, fmt.Errorf("tail %s: %w", c.base, err))
		}
	}
}

// mostLine bounds a line of a tail: data of 1 MiB, where it is no JSON and each of
// its bytes is escaped with six.
const mostLine = 8 << 20

func decodeTailed(line []byte) (m Message, err error) {
	var dropped struct {
		Dropped uint64 `json:"dropped"`
	}
	if err = json.Unmarshal(line, &dropped); err != nil || dropped.Dropped > 0 {
		m.Dropped = dropped.Dropped
		return m, err
	}
	err = json.Unmarshal(line, &m)
	return m, err
}
