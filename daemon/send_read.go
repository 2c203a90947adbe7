package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ingestd/ingestd/client"
)

// input reads JSON values, and knows where it is. It keeps no more than one value.
type input struct {
	name    string
	in      io.Reader
	decoder *jsontext.Decoder
	read    int64   // bytes, by the decoder
	line    int     // how many lines end before begin
	begin   int64   // where a line begins, at or before where the decoder is
	begins  []int64 // where those behind it begin
}

func newInput(name string, in io.Reader) *input {
	i := &input{name: name, in: in}
	// As the wire takes it: only the envelope's own keys may not come twice.
	i.decoder = jsontext.NewDecoder(i, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return i
}

// maxValue is the most bytes that a value may have: a daemon takes no more.
const maxValue = 1 << 30

// Read is the decoder's.
func (i *input) Read(p []byte) (int, error) {
	if i.read-i.decoder.InputOffset() > maxValue {
		return 0, errors.New("a value is larger than 1 GiB")
	}
	n, err := i.in.Read(p)
	for k, c := range p[:n] {
		if c == '\n' {
			i.begins = append(i.begins, i.read+int64(k)+1)
		}
	}
	i.read += int64(n)
	return n, err
}

// place is a line and a column of the input, from 1, in bytes.
type place struct {
	name         string
	line, column int
}

func (p place) String() string { return fmt.Sprintf("%s:%d:%d", p.name, p.line, p.column) }

// at gives the place of what is offset bytes behind the beginning.
func (i *input) at(offset int64) place {
	p := place{i.name, i.line + 1, int(offset-i.begin) + 1}
	for k, begin := range i.begins {
		if begin > offset {
			break
		}
		p.line, p.column = i.line+k+2, int(offset-begin)+1
	}
	return p
}

// next gives the next value and its place; with elements, the next element where
// it is an array. At the end it gives io.EOF.
func (i *input) next(elements bool) (v jsontext.Value, at place, err error) {
	for {
		kind := i.decoder.PeekKind()
		if !elements || kind != '[' && kind != ']' || i.decoder.StackDepth() > 0 && kind == '[' {
			break
		}
		if _, err := i.decoder.ReadToken(); err != nil {
			return nil, at, i.fault(err)
		}
	}
	v, err = i.decoder.ReadValue()
	if err != nil {
		return nil, at, i.fault(err)
	}
	end := i.decoder.InputOffset()
	at = i.at(end - int64(len(v)))
	n := 0
	for n < len(i.begins) && i.begins[n] <= end {
		n++
	}
	if n > 0 {
		i.line, i.begin = i.line+n, i.begins[n-1]
		i.begins = append(i.begins[:0], i.begins[n:]...)
	}
	return v, at, nil
}

// fault says where the input is not JSON.
func (i *input) fault(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF) && i.decoder.StackDepth() == 0:
		return io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return wrong(fmt.Errorf("%s: not JSON: it ends inside a value", i.at(i.read)))
	case errors.As(err, &syntax):
		return wrong(fmt.Errorf("%s: not JSON: %w", i.at(syntax.ByteOffset), syntax.Err))
	}
	return fmt.Errorf("read %s: %w", i.name, err)
}

// read sends what is in the input.
func (c *sendCommand) read(ctx context.Context, s *sending, name string, in io.Reader) error {
	for i := newInput(name, in); ; {
		v, at, err := i.next(c.ID == "")
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if c.ID != "" {
			err = s.take(ctx, client.Message{ID: c.ID, Data: []byte(v)}, at)
		} else {
			err = s.message(ctx, v, at)
		}
		if err != nil {
			return err
		}
	}
}

// message sends one message of the input.
func (s *sending) message(ctx context.Context, v jsontext.Value, at place) error {
	m, err := parseMessage(v)
	if err != nil {
		s.refuse(at, err)
		return nil
	}
	if m.Op == opFlush {
		return s.client.Flush(ctx)
	}
	return s.take(ctx, m, at)
}
