package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// FuzzDecoder compares the decoder with a slow one on top of a strict library:
// the same messages, the same faults, in the same places.
func FuzzDecoder(f *testing.F) {
	for _, seed := range []string{
		`{"op":"report","id":17,"time":"1715050000","seq":42,"data":{"conn_ip":"10.0.0.1","id":17},"code":0}`,
		`[{"id":"a\u0062\ud83d\ude00"},{"id":1,"time":1715050000.123456},{"id":1,"time":"2024-05-06T21:33:20.5+02:00"},3,[]]`,
		"{\"id\":1}\n{\"id\":2,\n{\"id\":3}\n [ {\"id\":1} , {} ]", "{\"data\":{\"id\":\"\xff\"}}", `{"\u0069d":1,"id":2,"x":1,"x":null}`,
		`{"op":"done","data":{"id":"x","id":3}}`, `{"id":1,"seq":1e2,"code":-0,"time":-1.5e-3}`, `{"id":"\ud800"} {"op":"flush"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if bytes.Count(frame, []byte("["))+bytes.Count(frame, []byte("{")) > 5000 {
			t.Skip("the library's bound on depth is another")
		}
		d := newDecoder(operations([]string{"report", "progress"}, map[string]Handler{"hello": nil}))
		d.reset(frame, utf8.Valid(frame))
		var m incoming
		at, values := 0, []jsontext.Value(nil)
		for n := 0; d.next(&m); n++ {
			if d.index != n {
				t.Fatalf("index %d of message %d", d.index, n)
			}
			if m.fault == codeBadJSON && m.text == "the frame is empty" {
				if len(bytes.Trim(frame, " \t\r\n")) > 0 {
					t.Fatal("it is not empty")
				}
				continue
			}
			var broken bool
			for len(values) == 0 && !broken {
				if at == len(frame) {
					t.Fatalf("message %d: %s %s; the library sees none", n, m.fault, m.text)
				}
				values, at, broken = slowValues(frame, at)
				if len(values) == 1 && !strings.ContainsRune(`{["`, rune(values[0].Kind())) &&
					at < len(frame) && !strings.ContainsRune(" \t\r\n", rune(frame[at])) {
					t.Skip("where a number ends without white space is a matter of opinion")
				}
			}
			if broken != (m.fault == codeBadJSON) {
				t.Fatalf("message %d: %s %s; the library: broken %v, %s", n, m.fault, m.text, broken, values)
			}
			if broken {
				at = d.pos
				continue
			}
			want, ok := slowMessage(values[0])
			if got := describe(&m); ok && got != want {
				t.Fatalf("message %d: %s\ngot:  %s (%s)\nwant: %s", n, values[0], got, m.text, want)
			}
			values = values[1:]
		}
		if rest, _, broken := slowValues(frame, at); len(values) > 0 || len(rest) > 0 || broken {
			t.Fatalf("left over: %s %s %v", values, rest, broken)
		}
	})
}

// slowValues gives the messages of the next value of the frame that has some.
func slowValues(frame []byte, at int) (values []jsontext.Value, next int, broken bool) {
	options := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
	for {
		d := jsontext.NewDecoder(bytes.NewReader(frame[at:]), options...)
		v, err := d.ReadValue()
		if errors.Is(err, io.EOF) {
			return nil, len(frame), false
		}
		if err != nil {
			return nil, at, true
		}
		at += int(d.InputOffset())
		if v.Kind() != '[' {
			return []jsontext.Value{v.Clone()}, at, false
		}
		d = jsontext.NewDecoder(bytes.NewReader(v.Clone()), options...)
		_, _ = d.ReadToken()
		for d.PeekKind() != ']' {
			e, _ := d.ReadValue()
			values = append(values, e.Clone())
		}
		if len(values) > 0 {
			return values, at, false
		}
	}
}

// describe is what is compared of a message; of a fault only that it is one.
func describe(m *incoming) string {
	if m.fault != "" {
		return m.fault
	}
	stamp := ""
	if !m.time.IsZero() {
		stamp = m.time.Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("%s %q %v %d %d %s %s", m.op.name, m.id.id, m.id.numeric, m.seq, m.code, stamp, m.data)
}

var (
	digitsOnly = regexp.MustCompile(`^[0-9]+$`)
	rfc3339    = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt ]([01]\d|2[0-3]):\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
)

// slowMessage reads a message in the plainest way. ok is false where it has no
// opinion.
func slowMessage(v jsontext.Value) (_ string, ok bool) {
	if v.Kind() != '{' {
		return codeBadMessage, true
	}
	fields, double, ok := slowObject(v)
	if !ok {
		return "", false
	}
	bad := double || !utf8.Valid(v)
	m := incoming{op: &operation{name: "report"}, data: []byte("null")}
	known := true
	if op, given := fields["op"]; given {
		name, isString, paired := slowString(op)
		bad = bad || !isString || !paired
		m.op = &operation{name: name}
		known = strings.Contains(" report progress done flush resume hello ", " "+name+" ") && name != "" && !strings.Contains(name, " ")
	}
	if seq, given := fields["seq"]; given {
		n, ok := slowInt(seq)
		bad = bad || !ok || n < 1 || n >= 1<<62
		m.seq = n
	}
	if code, given := fields["code"]; given {
		n, ok := slowInt(code)
		bad = bad || !ok
		m.code = n
	}
	if at, given := fields["time"]; given {
		text, isString, _ := slowString(at)
		if !isString {
			text = string(at)
		}
		var err error
		if m.time, err = slowTime(text); err != nil {
			bad = true
		}
		if strings.Contains(text, ":60") {
			return "", false
		}
	}
	if data, given := fields["data"]; given {
		m.data = data
	}
	id, given := fields["id"]
	if !given && m.data[0] == '{' {
		inner, double, ok := slowObject(m.data)
		if !ok || double {
			return "", false
		}
		id, given = inner["id"]
	}
	if given {
		var good bool
		if m.id, good = slowID(id); !good && known && !bad && m.op.name == "hello" && fields["id"] == nil {
			good = true
		}
		bad = bad || !good && (known || fields["id"] != nil)
	} else if known && m.op.name != "flush" && m.op.name != "hello" {
		bad = true
	}
	switch {
	case bad:
		return codeBadMessage, true
	case !known:
		return codeUnknownOp, true
	}
	return describe(&m), true
}

// slowObject gives the fields that are not null.
func slowObject(v jsontext.Value) (fields map[string]jsontext.Value, double, ok bool) {
	d := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	_, _ = d.ReadToken()
	fields = make(map[string]jsontext.Value)
	seen := make(map[string]bool)
	for d.PeekKind() == '"' {
		key, err := d.ReadToken()
		if err != nil {
			panic(err)
		}
		name := key.String()
		if strings.Contains(name, "\uFFFD") {
			return nil, false, false // lone surrogates are not told apart
		}
		double = double || seen[name]
		seen[name] = true
		value, err := d.ReadValue()
		if err != nil {
			panic(err)
		}
		if value.Kind() != 'n' {
			fields[name] = value.Clone()
		}
	}
	return fields, double, true
}

func slowString(v jsontext.Value) (s string, isString, paired bool) {
	if v.Kind() != '"' {
		return "", false, false
	}
	b, err := jsontext.AppendUnquote(nil, v)
	return string(b), true, err == nil
}

func slowInt(v jsontext.Value) (int64, bool) {
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil && v.Kind() == '0'
}

func slowID(v jsontext.Value) (wireID, bool) {
	text, isString, paired := slowString(v)
	if isString {
		return wireID{text, false}, paired && text != "" && len(text) <= 255
	}
	id := wireID{string(v), true}
	if !digitsOnly.MatchString(id.id) || len(id.id) > 255 {
		return wireID{}, false
	}
	return id, true
}

func slowTime(text string) (time.Time, error) {
	fail := fmt.Errorf("not a time: %q", text)
	var t time.Time
	if jsontext.Value(text).Kind() == '0' && jsontext.Value(text).IsValid() && strings.Trim(text, " \t\r\n") == text {
		if i := strings.IndexAny(text, "eE"); i >= 0 {
			if e, err := strconv.Atoi(text[i+1:]); err != nil || e > 1000 || e < -1000 {
				return t, fail // the fast one has its own bounds; see TestMoments
			}
		}
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			return t, fail
		}
		size, unit := new(big.Rat).Abs(r), int64(1)
		for _, u := range []struct{ below, unit int64 }{{1e11, 1e9}, {1e14, 1e6}, {1e17, 1e3}} {
			if size.Cmp(new(big.Rat).SetInt64(u.below)) < 0 {
				unit = u.unit
				break
			}
		}
		ns := new(big.Rat).Mul(r, new(big.Rat).SetInt64(unit))
		whole := new(big.Int).Quo(ns.Num(), ns.Denom())
		if new(big.Int).Abs(whole).Cmp(big.NewInt(0).Exp(big.NewInt(10), big.NewInt(20), nil)) > 0 {
			return t, fail
		}
		sec, rest := new(big.Int).QuoRem(whole, big.NewInt(1e9), new(big.Int))
		if unit == 1 && len(new(big.Int).Abs(whole).String()) > 19 {
			return t, fail
		}
		t = time.Unix(sec.Int64(), rest.Int64()).UTC()
	} else {
		if !rfc3339.MatchString(text) {
			return t, fail
		}
		var err error
		if t, err = time.Parse(time.RFC3339Nano, strings.ToUpper(strings.Replace(text, " ", "T", 1))); err != nil {
			return t, err
		}
		t = t.UTC()
	}
	if t.Year() < 1000 || t.Year() > 9999 {
		return t, fail
	}
	return t, nil
}
