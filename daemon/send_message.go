package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ingestd/ingestd/client"
)

const (
	opFlush   = "flush"   // waits until what was sent before is settled
	opRestore = "restore" // brings back what a daemon gave up
)

// parseMessage reads a message as the wire has it. A line of a file of undelivered
// messages becomes the message that brings it back.
func parseMessage(v jsontext.Value) (m client.Message, err error) {
	if v.Kind() != '{' {
		return m, errors.New("a message must be a JSON object; --id takes bare payloads")
	}
	if !utf8.Valid(v) {
		return m, errors.New("it is not UTF-8")
	}
	seen := map[string]jsontext.Value{}
	err = fields(v, func(name string, value jsontext.Value) error {
		if _, twice := seen[name]; twice {
			return fmt.Errorf("the key %q comes twice", name)
		}
		if value.Kind() != 'n' || name == "data" {
			seen[name] = value
		}
		return nil
	})
	if err != nil {
		return m, err
	}
	m.Data = []byte(seen["data"])
	if op, is := seen["op"]; is {
		if m.Op, err = unquote(op); err != nil {
			return m, fmt.Errorf("op %w", err)
		}
	}
	if m.Op == opFlush && seen["id"] == nil {
		return m, nil // of all ids
	}
	if m.ID, err = parseID(seen["id"], seen["data"]); err != nil {
		return m, err
	}
	if seen[opRestore].Kind() == '"' && seen["received_at"].Kind() == '"' {
		return client.Message{ID: m.ID, Op: opRestore, Data: []byte(v)}, nil
	}
	for _, f := range []struct {
		name string
		into *int64
		min  int64
	}{{"seq", &m.Seq, 1}, {"code", &m.Code, -1 << 63}} {
		text, is := seen[f.name]
		if !is {
			continue
		}
		if *f.into, err = strconv.ParseInt(string(text), 10, 64); err != nil || *f.into < f.min {
			return m, fmt.Errorf("%s must be an integer in plain digits, not %.40s", f.name, text)
		}
	}
	m.RawTime = []byte(seen["time"])
	return m, nil
}

// fields calls f with each field of the object v. The values are views into v.
func fields(v jsontext.Value, f func(name string, value jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(v), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		key := name.String()
		value, err := d.ReadValue()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		if err := f(key, value); err != nil {
			return err
		}
	}
	return nil
}

// parseID takes the id of a message, or of its data.
func parseID(id, data jsontext.Value) (string, error) {
	if id == nil && data.Kind() == '{' {
		err := fields(data, func(name string, value jsontext.Value) error {
			if name == "id" && value.Kind() != 'n' {
				if id != nil {
					return errors.New("data.id comes twice")
				}
				id = value
			}
			return nil
		})
		if err != nil {
			return "", err
		}
	}
	switch id.Kind() {
	case '"':
		text, err := unquote(id)
		if err != nil {
			return "", fmt.Errorf("id %w", err)
		}
		return text, nil
	case '0':
		for _, c := range id {
			if c < '0' || c > '9' {
				return "", fmt.Errorf("id must be an integer in plain digits or a string, not %.40s", id)
			}
		}
		return string(id), nil
	case jsontext.KindInvalid:
		return "", errors.New("id is missing, and data has none")
	}
	return "", fmt.Errorf("id must be an integer in plain digits or a string, not %.40s", id)
}

// unquote is what a JSON string stands for.
func unquote(v jsontext.Value) (string, error) {
	text, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return "", fmt.Errorf("must be a string without lone surrogates, not %.40s", v)
	}
	return string(text), nil
}
