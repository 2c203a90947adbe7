package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
		lines := bufio.NewReaderSize(answer, 64<<10)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				if !errors.Is(err, io.EOF) || len(line) > 0 {
					yield(Message{}, fmt.Errorf("tail %s: %w", c.base, err))
				}
				return
			}
			m, err := decodeTailed(line)
			if err != nil {
				yield(Message{}, fmt.Errorf("tail %s: %w", c.base, err))
				return
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

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
