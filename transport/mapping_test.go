package transport

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ingestd/ingestd/engine"
)

func testOps() map[string]*operation {
	return operations([]string{"report", "trade"}, map[string]Handler{"hello": nil})
}

// mapped reads a frame by c, a line for each message.
func mapped(c DecodeConfig, frame string) string {
	d := newDecoder(testOps()).with(c.compile(testOps()))
	return readAll(d, frame)
}

func readAll(d *decoder, frame string) string {
	d.reset([]byte(frame), utf8.ValidString(frame))
	var out []string
	var m incoming
	for d.next(&m) {
		line := describe(&m)
		if m.fault != "" {
			line = m.fault + ": " + m.text
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

const ticker = `{"channel":"ticker","sequence_num":8,"events":[{"type":"snapshot","tickers":[{"product_id":"BTC-USD","price":"1.5"}]}],` +
	`"timestamp":"2024-05-06T21:33:20.5Z","data":{"device":{"serial":"s-1","status":3},"a.b":{"\\":"c"},"1":"one"}}`

func TestMapping(t *testing.T) {
	all := func(data string) DecodeConfig {
		return DecodeConfig{ID: Paths{"data.device.serial"}, Data: Paths{data}}
	}
	for _, c := range []struct {
		name  string
		paths DecodeConfig
		frame string
		want  string
	}{
		{
			"every field",
			DecodeConfig{
				ID: Paths{"events.0.tickers.0.product_id"}, Op: Paths{"=trade"}, Seq: Paths{"sequence_num"},
				Time: Paths{"timestamp"}, Code: Paths{"data.device.status"}, Data: Paths{"events.0.tickers"},
			},
			ticker,
			`trade "BTC-USD" false 8 3 2024-05-06T21:33:20.5Z [{"product_id":"BTC-USD","price":"1.5"}]`,
		},
		{
			"nothing but the id",
			DecodeConfig{ID: Paths{"a.b"}},
			`{"op":"done","seq":1,"time":1,"code":2,"data":3,"a":{"b":7}}`,
			`report "7" true 0 0  {"op":"done","seq":1,"time":1,"code":2,"data":3,"a":{"b":7}}`,
		},
		{"a value and what is in it", DecodeConfig{ID: Paths{"a.b"}, Data: Paths{"a"}}, `{"a":{"b":"x"} }`, `report "x" false 0 0  {"b":"x"}`},
		{"one value for two fields", DecodeConfig{ID: Paths{"n"}, Code: Paths{"n"}}, `{"n":7}`, `report "7" true 0 7  {"n":7}`},
		{"keys with dots and backslashes", DecodeConfig{ID: Paths{`data.a\.b.\\`}, Data: Paths{"=null"}}, ticker, `report "c" false 0 0  null`},
		{"an index that is a key", DecodeConfig{ID: Paths{`data.1`}, Data: Paths{"=null"}}, ticker, `report "one" false 0 0  null`},
		{"an escaped key", DecodeConfig{ID: Paths{"ab"}, Data: Paths{"=1"}}, `{"\u0061b":"x"}`, `report "x" false 0 0  1`},
		{"an escaped id", DecodeConfig{ID: Paths{"a.é"}, Data: Paths{"=1"}}, `{"a":{"\u00e9":"\u263a\n","x":"\n"}}`, "report \"☺\\n\" false 0 0  1"},
		{
			"keys of all lengths",
			DecodeConfig{ID: Paths{"ab"}, Op: Paths{"abcdefg"}, Code: Paths{"abcdefgh"}, Time: Paths{"abc"}, Data: Paths{"abcdefghi"}},
			`{"abcdefgh":8,"abcdefghi":9,"abcdefg":"trade","abc":0,"a":[],"ab":"x","abcd":{}}`, `trade "x" false 0 8 1970-01-01T00:00:00Z 9`,
		},
		{"keys that must be escaped", DecodeConfig{ID: Paths{`a"b`}, Data: Paths{`a\\b`}, Code: Paths{"\t"}}, `{"a\"b":"x","a\\b":1,"\t":2}`, `report "x" false 0 2  1`},
		{"keys that are not", DecodeConfig{ID: Paths{`a"b`}}, `{"a"b":"x"}     `, `bad_json: not JSON: at byte 4: a colon is expected after a key`},
		{"a key at the end", DecodeConfig{ID: Paths{`abc`}}, `{"abc`, `bad_json: not JSON: at byte 5: it ends inside a string`},
		{"later in an array", DecodeConfig{ID: Paths{"2"}, Data: Paths{"=1"}}, `{"2":"x"}`, `report "x" false 0 0  1`},
		{"no such place in an array", DecodeConfig{ID: Paths{"a.2"}}, `{"a":["x","y"]}`, `bad_message: id is missing: there is none at a.2`},
		{"an array of places", DecodeConfig{ID: Paths{"a.2", "a.0"}, Data: Paths{"a.1"}}, `{"a" : [ "x" , "y" ] }`, `report "x" false 0 0  "y"`},
		{"leading zeros are no index", DecodeConfig{ID: Paths{"a.00", "a.1"}, Data: Paths{"=1"}}, `{"a":["x","y"]}`, `report "y" false 0 0  1`},

		{"the first path", DecodeConfig{ID: Paths{"a.b", "c"}, Data: Paths{"=1"}}, `{"c":2,"a":{"b":1}}`, `report "1" true 0 0  1`},
		{"the second path", DecodeConfig{ID: Paths{"a.b", "c"}, Data: Paths{"=1"}}, `{"c":2,"a":{"x":1}}`, `report "2" true 0 0  1`},
		{"null is nothing", DecodeConfig{ID: Paths{"a.b", "c"}, Data: Paths{"=1"}}, `{"c":2,"a":{"b":null}}`, `report "2" true 0 0  1`},
		{"a wrong type is not", DecodeConfig{ID: Paths{"a.b", "c"}}, `{"c":2,"a":{"b":{}}}`, `bad_message: a.b: ` + wrongID},
		{"what is not used may be wrong", DecodeConfig{ID: Paths{"a.b", "c"}, Data: Paths{"=1"}}, `{"c":{},"a":{"b":1}}`, `report "1" true 0 0  1`},
		{"no object on the way", DecodeConfig{ID: Paths{"a.b", "c"}, Data: Paths{"=1"}}, `{"c":"x","a":"b"}`, `report "x" false 0 0  1`},
		{"the last is a constant", DecodeConfig{ID: Paths{"a", "=all"}, Code: Paths{"b", "=-7"}, Data: Paths{"c", "=[]"}}, `{}`, `report "all" false 0 -7  []`},
		{"no constant is needed", DecodeConfig{ID: Paths{"a", "=all"}, Op: Paths{"b", "=trade"}, Data: Paths{"c", "=[]"}}, `{"a":1,"b":"report","c":2}`, `report "1" true 0 0  2`},
		{"no data", all("nothing"), ticker, `report "s-1" false 0 0  null`},
		{"data in the order of the paths", DecodeConfig{ID: Paths{"=x"}, Data: Paths{"c", "."}}, `{"b":1}`, `report "x" false 0 0  {"b":1}`},

		{"an op that is not known", DecodeConfig{ID: Paths{"=x"}, Op: Paths{"type"}}, `{"type":"heartbeat"}`, `unknown_op: the op "heartbeat" is not known`},
		{"an op of a host program", DecodeConfig{ID: Paths{"id"}, Op: Paths{"type"}, Data: Paths{"=1"}}, `{"type":"hello"}`, `hello "" false 0 0  1`},
		{"a flush of everything", DecodeConfig{ID: Paths{"id"}, Op: Paths{"type"}, Data: Paths{"=1"}}, `{"type":"flush"}`, `flush "" false 0 0  1`},
		{"done", DecodeConfig{ID: Paths{"id"}, Op: Paths{"type"}, Data: Paths{"=1"}}, `{"type":"done","id":1}`, `done "1" true 0 0  1`},
		{"no id", DecodeConfig{ID: Paths{"a.b", "c"}}, `{"id":1,"data":{"id":1}}`, `bad_message: id is missing: there is none at a.b, nor at c`},
		{"wrong op", DecodeConfig{ID: Paths{"=x"}, Op: Paths{"a.type"}}, `{"a":{"type":1}}`, `bad_message: a.type: op must be a string`},
		{"wrong seq", DecodeConfig{ID: Paths{"=x"}, Seq: Paths{"n", "m"}}, `{"m":-1}`, `bad_message: m: ` + wrongSeq},
		{"wrong time", DecodeConfig{ID: Paths{"=x"}, Time: Paths{"t"}}, `{"t":"noon"}`, `bad_message: t: time must be Unix time (seconds, ms, µs or ns) or RFC 3339, like 2024-05-06T21:33:20Z`},
		{"wrong code", DecodeConfig{ID: Paths{"=x"}, Code: Paths{"c"}}, `{"c":"1"}`, `bad_message: c: ` + wrongCode},
		{"long id", all("."), `{"data":{"device":{"serial":"` + strings.Repeat("x", 256) + `"}}}`, `bad_message: data.device.serial: ` + longID},
		{"the first of two faults", DecodeConfig{ID: Paths{"i"}, Code: Paths{"c"}}, `{"c":"1","i":1.5}`, `bad_message: c: ` + wrongCode},

		{"a key that leads to a field, twice", all("."), `{"data":{"device":{},"device":{"serial":1}}}`, `bad_message: a key comes twice: data.device`},
		{"the same, spelled otherwise", all("."), `{"data":{"device":{},"d\u0065vice":{"serial":1}}}`, `bad_message: a key comes twice: data.device`},
		{"another key twice", DecodeConfig{ID: Paths{"a"}, Data: Paths{"=1"}}, `{"a":1,"b":2,"b":3}`, `report "1" true 0 0  1`},

		{
			"several in a frame",
			DecodeConfig{ID: Paths{"a"}, Data: Paths{"=1"}},
			`[{"a":1},{"a":2}] {"a":3} 4`,
			"report \"1\" true 0 0  1\nreport \"2\" true 0 0  1\nreport \"3\" true 0 0  1\nbad_message: a message must be a JSON object",
		},
		{
			"a syntax error",
			DecodeConfig{ID: Paths{"a.b"}, Data: Paths{"=1"}},
			"{\"a\":{\"b\":1]}\n{\"a\":{\"b\":2}}",
			"bad_json: not JSON: at byte 11: a comma or } is expected in an object\nreport \"2\" true 0 0  1",
		},
		{"a syntax error in an array", DecodeConfig{ID: Paths{"a.0"}}, `{"a":[1}`, "bad_json: not JSON: at byte 7: a comma or ] is expected in an array"},
		{"the end in an array", DecodeConfig{ID: Paths{"a.0"}}, `{"a":[`, "bad_json: not JSON: at byte 6: it ends where a value is expected"},
		{"the end in an object", DecodeConfig{ID: Paths{"a.b"}}, `{"a":{`, "bad_json: not JSON: at byte 6: a key in double quotes is expected in an object"},
		{"the end of a key", DecodeConfig{ID: Paths{"a.b"}}, `{"a`, "bad_json: not JSON: at byte 3: it ends inside a string"},
		{"no colon", DecodeConfig{ID: Paths{"a.b"}}, `{"a" 1}`, "bad_json: not JSON: at byte 5: a colon is expected after a key"},
		{"empty ones", DecodeConfig{ID: Paths{"a.0", "b.c", "=x"}, Data: Paths{"."}}, `{"a":[ ],"b":{ }}`, `report "x" false 0 0  {"a":[ ],"b":{ }}`},
		{
			"too deep",
			DecodeConfig{ID: Paths{"=x"}},
			`{"a":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}`,
			"bad_message: the message is nested deeper than 10000 levels",
		},
		{"not UTF-8", DecodeConfig{ID: Paths{"a"}}, "{\"a\":\"\xff\"}", "bad_message: the message is not valid UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := wrongDecode(c.paths); err != nil {
				t.Fatal(err)
			}
			if got := mapped(c.paths, c.frame); got != c.want {
				t.Errorf("%s\ngot:  %s\nwant: %s", c.frame, got, c.want)
			}
		})
	}
}

// wrongDecode validates c.
func wrongDecode(c DecodeConfig) error {
	var errs []error
	c.validate(checking(&errs), testOps())
	return errors.Join(errs...)
}

func TestWrongMapping(t *testing.T) {
	many := make(Paths, maxPaths+1)
	for i := range many {
		many[i] = fmt.Sprint("k", i)
	}
	for _, c := range []struct {
		paths DecodeConfig
		want  string // the option and how the problem begins
	}{
		{DecodeConfig{}, "decode.id: is missing"},
		{DecodeConfig{ID: Paths{}}, "decode.id: names no path"},
		{DecodeConfig{ID: Paths{""}}, "decode.id: a path must not be empty"},
		{DecodeConfig{ID: Paths{"."}}, "decode.id: cannot be the whole message"},
		{DecodeConfig{ID: Paths{".a"}}, `decode.id: the path ".a" begins with a dot: write "a"`},
		{DecodeConfig{ID: Paths{"a."}}, `decode.id: the path "a." has an empty key`},
		{DecodeConfig{ID: Paths{"a..b"}}, `decode.id: the path "a..b" has an empty key`},
		{DecodeConfig{ID: Paths{`a\b`}}, `decode.id: the path "a\\b" has a \`},
		{DecodeConfig{ID: Paths{`a\`}}, `decode.id: the path "a\\" has a \`},
		{DecodeConfig{ID: Paths{"\xff"}}, `decode.id: the path "\xff" is not UTF-8`},
		{DecodeConfig{ID: Paths{strings.Repeat("a.", maxKeys) + "a"}}, `decode.id: the path "a.a`},
		{DecodeConfig{ID: many}, "decode.id: has 9 paths, and can have 8"},
		{DecodeConfig{ID: Paths{"a", "b", "a"}}, `decode.id: has "a" twice`},
		{DecodeConfig{ID: Paths{"=x", "a"}}, `decode.id: has something behind the constant "=x"`},
		{DecodeConfig{ID: Paths{"="}}, "decode.id: a constant id must be 1 to 255 bytes"},
		{DecodeConfig{ID: Paths{"a"}, Op: Paths{"=heartbeat"}}, "decode.op: a constant op must be one that this transport knows"},
		{DecodeConfig{ID: Paths{"a"}, Code: Paths{"=1.5"}}, "decode.code: a constant code must be an integer"},
		{DecodeConfig{ID: Paths{"a"}, Seq: Paths{"=1"}}, "decode.seq: the number and the time"},
		{DecodeConfig{ID: Paths{"a"}, Time: Paths{"=0"}}, "decode.time: the number and the time"},
		{DecodeConfig{ID: Paths{"a"}, Data: Paths{"={"}}, "decode.data: a constant data must be JSON"},
		{DecodeConfig{ID: Paths{"a"}, Data: Paths{"="}}, "decode.data: a constant data must be JSON"},
		{DecodeConfig{ID: Paths{"a"}, Data: Paths{".", "b"}}, "decode.data: has something behind"},
	} {
		err := wrongDecode(c.paths)
		option, ok := errors.AsType[*engine.OptionError](err)
		if !ok || !strings.HasPrefix(option.Option+": "+option.Problem, c.want) {
			t.Errorf("%+v: %v, want %s", c.paths, err, c.want)
		}
	}
	for _, err := range []error{
		func() error { c := testConfig(); c.Decode = &DecodeConfig{}; return c.Validate() }(),
		func() error { c := testHTTPConfig(); c.Decode = &DecodeConfig{}; return c.Validate() }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "decode.id") {
			t.Errorf("a configuration is good: %v", err)
		}
	}
}

// Reading by a mapping takes no memory.
func TestMappedAllocatesNothing(t *testing.T) {
	c := DecodeConfig{
		ID: Paths{"data.device.serial", "id"}, Seq: Paths{"sequence_num"}, Time: Paths{"timestamp"},
		Op: Paths{"=trade"}, Data: Paths{"events.0"},
	}
	d := newDecoder(testOps()).with(c.compile(testOps()))
	frame := []byte(ticker + strings.Replace(ticker, "device", `d\u0065vice`, 1))
	var m incoming
	if n := testing.AllocsPerRun(100, func() {
		d.reset(frame, true)
		for d.next(&m) {
			if m.fault != "" {
				t.Fatal(m.text)
			}
		}
	}); n != 0 && !raceEnabled {
		t.Errorf("%v allocations for two messages", n)
	}
}

// A decode block says how every message of a server is read.
func TestServersWithMapping(t *testing.T) {
	mapping := &DecodeConfig{ID: Paths{"device.serial"}, Seq: Paths{"n"}, Data: Paths{"device"}}
	s := serve(t, func(c *WebSocketConfig) { c.Decode, c.RestoreToken = mapping, "token" })
	c := s.dial("?client=c")
	c.send(`{"device":{"serial":"s-1"},"n":3}`)
	c.expect(`{"op":"ack","id":"s-1","seq":3}`)
	c.send(`{"id":1} {"op":"restore","id":"x","device":{"serial":"s-2"}}`)
	c.expectError("bad_message", `"retry":false,"index":0`)
	ms := s.waitMessages(2)
	if m := ms[0]; m.ID != "s-1" || m.Seq != 3 || m.Client != "c" || string(m.Data) != `{"serial":"s-1"}` {
		t.Errorf("routed is %+v", m)
	}
	if m := ms[1]; m.ID != "s-2" || m.Op != "report" {
		t.Errorf("routed is %+v", m)
	}

	h := serveHTTP(t, func(c *HTTPConfig) { c.Decode = mapping })
	resp, err := h.client.Post(h.URL(), "application/json", strings.NewReader(`[{"device":{"serial":"s-1"}},{"id":1}]`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(body), "there is none at device.serial") {
		t.Errorf("answered: %s, %v", body, err)
	}
	_ = resp.Body.Close()
	if m := h.router.Messages()[0]; m.ID != "s-1" || string(m.Data) != `{"serial":"s-1"}` {
		t.Errorf("routed is %+v", m)
	}
}

// The same messages in our own form, and by a mapping: the way of the fields is the
// same, so the time is to be.
func BenchmarkMapping(b *testing.B) {
	const own = `{"op":"report","id":17,"time":"1715050000","seq":42,"data":{"conn_ip":"10.0.0.1","id":17},"code":0}`
	for _, c := range []struct {
		name  string
		paths *DecodeConfig
		frame string
	}{
		{"envelope", nil, own},
		{"mapped", &DecodeConfig{ID: Paths{"id"}, Op: Paths{"op"}, Seq: Paths{"seq"}, Time: Paths{"time"}, Code: Paths{"code"}, Data: Paths{"data"}}, own},
		{
			"mapped-nested",
			&DecodeConfig{
				ID: Paths{"device.id"}, Op: Paths{"meta.op"}, Seq: Paths{"meta.seq"}, Time: Paths{"meta.time"}, Code: Paths{"device.code"}, Data: Paths{"data"},
			},
			`{"meta":{"op":"report","time":"1715050000","seq":42},"device":{"id":17,"code":0},"data":{"conn_ip":"10.0.0.1","id":17}}`,
		},
	} {
		b.Run(c.name, func(b *testing.B) {
			d := newDecoder(testOps()).with(c.paths.compile(testOps()))
			frame := []byte(c.frame)
			var m incoming
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				d.reset(frame, true)
				for d.next(&m) {
					if m.id.id != "17" || m.seq != 42 || m.fault != "" {
						b.Fatalf("%+v", m)
					}
				}
			}
		})
	}
}
