package transport

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// FuzzMapping compares reading by a mapping with a slow way on top of a strict
// library, in which each path is followed by itself, through copies. The lines of
// paths are those of the fields, with spaces between them.
func FuzzMapping(f *testing.F) {
	for _, seed := range []struct{ paths, frame string }{
		{"id\nop\nseq\ntime\ncode\ndata", `{"op":"report","id":17,"time":"1715050000","seq":42,"data":{"conn_ip":"10.0.0.1","id":17},"code":0}`},
		{"events.0.tickers.0.product_id\n=trade\nsequence_num\ntimestamp\ndata.device.status\nevents.0.tickers", ticker},
		{"a.b c =x\nop =trade\n\n\na.0 a.1 =7\nd .", `[{"a":{"b":1,"b":2}},{"a":["x",3],"c":4},{"a":null,"op":"done"}]`},
		{"a\\.b.\\\\ 1\n\n\nt.0.0 t\n\na.b a", "{\"a.b\":{\"\\\\\":\"\\u0062\"},\"t\":[[1.5e9]],\"a\":{\"\\u0062\":[]}}\n{\"1\":\"\xff\"}"},
		{"0.1.2 0.1\nop\n\n\n\n=null", `{"0":{"1":{"2":null}},"op":"flush"} {"0":[1,[1,2,"x"]]} {"0":[],"op":"hello"} {`},
	} {
		f.Add(seed.paths, []byte(seed.frame))
	}
	f.Fuzz(func(t *testing.T, paths string, frame []byte) {
		if bytes.Count(frame, []byte("["))+bytes.Count(frame, []byte("{")) > 5000 {
			t.Skip("the library's bound on depth is another")
		}
		var lists [fieldCount]Paths
		for i, line := range strings.Split(paths, "\n") {
			if i < fieldCount && line != "" {
				lists[i] = strings.Split(line, " ")
			}
		}
		c := DecodeConfig{ID: lists[0], Op: lists[1], Seq: lists[2], Time: lists[3], Code: lists[4], Data: lists[5]}
		if wrongDecode(c) != nil {
			t.Skip("no mapping")
		}
		d := newDecoder(testOps()).with(c.compile(testOps()))
		d.reset(frame, utf8.Valid(frame))
		var m incoming
		for d.next(&m) {
			if m.frame == nil {
				continue // it is not JSON, which FuzzDecoder looks at
			}
			want, ok := slowMapped(c, jsontext.Value(m.frame))
			if got := describe(&m); ok && got != want {
				t.Fatalf("%+v of %s\ngot:  %s (%s)\nwant: %s", c, m.frame, got, m.text, want)
			}
		}
		// What is JSON is the same as without a mapping.
		plain, n := newDecoder(testOps()), 0
		plain.reset(frame, utf8.Valid(frame))
		for plain.next(&m) {
			n++
		}
		if d.index != plain.index || d.index+1 != n {
			t.Fatalf("%d messages, and %d without a mapping", d.index+1, n)
		}
	})
}

// errTwice is what follow returns where a key on the way is there twice.
var errTwice = errors.New("twice")

// follow goes along the keys of a path; nil where they lead to nothing, or to null.
func follow(v jsontext.Value, keys []string) (jsontext.Value, error) {
	if len(keys) == 0 {
		if v.Kind() == 'n' {
			return nil, nil
		}
		return v, nil
	}
	d := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	var in []jsontext.Value
	switch v.Kind() {
	case '{':
		_, _ = d.ReadToken()
		for d.PeekKind() == '"' {
			key, err := d.ReadToken()
			if err != nil {
				panic(err)
			}
			name := key.String()
			value, err := d.ReadValue()
			if err != nil {
				panic(err)
			}
			if name == keys[0] {
				in = append(in, value.Clone())
			}
		}
	case '[':
		_, _ = d.ReadToken()
		for n := 0; d.PeekKind() != ']'; n++ {
			value, err := d.ReadValue()
			if err != nil {
				panic(err)
			}
			if strconv.Itoa(n) == keys[0] {
				in = append(in, value.Clone())
			}
		}
	}
	var all error
	var first jsontext.Value
	for _, v := range in {
		found, err := follow(v, keys[1:])
		all = errors.Join(all, err)
		if first == nil {
			first = found
		}
	}
	if len(in) > 1 {
		all = errTwice
	}
	return first, all
}

// slowMapped reads a message by a mapping in the plainest way. ok is false where it
// has no opinion.
func slowMapped(c DecodeConfig, v jsontext.Value) (_ string, ok bool) {
	if v.Kind() != '{' {
		return codeBadMessage, true
	}
	if strings.Contains(string(v), `\ud`) || strings.Contains(string(v), `\uD`) || strings.Contains(string(v), `\uf`) || strings.Contains(string(v), `\uF`) ||
		!utf8.Valid(v) && strings.Contains(strings.Join(c.ID, "")+strings.Join(c.Data, ""), "\uFFFD") {
		return "", false // lone surrogates and U+FFFD are not told apart
	}
	bad := !utf8.Valid(v)
	values := map[string]jsontext.Value{}
	constants := map[string]string{}
	for _, l := range c.lists() {
		paths := l.paths
		if l.name == "data" && paths == nil {
			paths = Paths{"."}
		}
		for _, p := range paths {
			if constant, is := strings.CutPrefix(p, "="); is {
				constants[l.name] = constant
				continue
			}
			var keys []string
			if p != "." {
				// What stands before a dot or a backslash is put aside.
				p = strings.NewReplacer(`\\`, "\x00", `\.`, "\x01").Replace(p)
				for _, k := range strings.Split(p, ".") {
					keys = append(keys, strings.NewReplacer("\x00", `\`, "\x01", ".").Replace(k))
				}
				if strings.ContainsAny(strings.Join(l.paths, ""), "\x00\x01") {
					return "", false
				}
			}
			value, err := follow(v, keys)
			bad = bad || err != nil
			if values[l.name] == nil && value != nil {
				values[l.name] = value
			}
		}
	}

	m := incoming{op: &operation{name: "report"}, data: []byte("null")}
	if name, is := constants["op"]; is {
		m.op.name = name
	}
	if op := values["op"]; op != nil {
		var isString bool
		m.op.name, isString, _ = slowString(op)
		bad = bad || !isString
	}
	known := strings.Contains(" report trade done flush resume hello ", " "+m.op.name+" ") && m.op.name != "" && !strings.Contains(m.op.name, " ")
	m.id = wireID{id: constants["id"]}
	if id := values["id"]; id != nil {
		var good bool
		m.id, good = slowID(id)
		bad = bad || !good
	} else if m.id.id == "" && m.op.name != "flush" && m.op.name != "hello" {
		bad = bad || known
	}
	if seq := values["seq"]; seq != nil {
		n, ok := slowInt(seq)
		bad = bad || !ok || n < 1 || n >= 1<<62
		m.seq = n
	}
	if constant, is := constants["code"]; is {
		m.code, _ = strconv.ParseInt(constant, 10, 64)
	}
	if code := values["code"]; code != nil {
		n, ok := slowInt(code)
		bad = bad || !ok
		m.code = n
	}
	if at := values["time"]; at != nil {
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
	if constant, is := constants["data"]; is {
		m.data = []byte(constant)
	}
	if data := values["data"]; data != nil {
		m.data = data
	}
	switch {
	case bad:
		return codeBadMessage, true
	case !known:
		return codeUnknownOp, true
	}
	return describe(&m), true
}
