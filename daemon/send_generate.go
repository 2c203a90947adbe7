package daemon

import (
	"context"
	"fmt"
	"strings"

	"github.com/ingestd/ingestd/client"
)

// generated is a message that was made up.
type generated int

func (g generated) String() string { return fmt.Sprintf("message %d", int(g)) }

// generate sends messages that are made up.
func (c *sendCommand) generate(ctx context.Context, s *sending) error {
	ids := make([]string, c.IDs)
	for i := range ids {
		ids[i] = fmt.Sprintf("load-%d", i+1)
	}
	if c.ID != "" {
		ids = []string{c.ID}
	}
	filler := strings.Repeat("x", c.Size)
	var data []byte
	for n := 1; n <= c.Generate; n++ {
		id := ids[(n-1)%len(ids)]
		data = fmt.Appendf(data[:0], `{"n":%d,"text":"`, n)
		data = append(data, filler[:max(0, c.Size-len(data)-len(`"}`))]...)
		data = append(data, `"}`...)
		if err := s.take(ctx, client.Message{ID: id, Data: data}, generated(n)); err != nil {
			return err
		}
	}
	return nil
}
