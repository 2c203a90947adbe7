package transport

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// read decodes a frame and writes what came out, one message a line.
func read(frame string) string {
	d := newDecoder(operations([]string{"report", "progress"}, map[string]Handler{"hello": nil}))
	d.reset([]byte(frame), utf8.ValidString(frame))
	var b strings.Builder
	var m incoming
	for d.next(&m) {
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		if m.fault != "" {
			fmt.Fprintf(&b, "%s: %s", m.fault, m.text)
		} else {
			b.WriteString(m.op.name)
		}
		if m.id.id != "" {
			b.WriteString(" id=")
			b.Write(appendID(nil, m.id))
		}
		if m.seq != 0 {
			fmt.Fprintf(&b, " seq=%d", m.seq)
		}
		if !m.time.IsZero() {
			b.WriteString(" time=" + m.time.Format(time.RFC3339Nano))
		}
		if m.code != 0 {
			fmt.Fprintf(&b, " code=%d", m.code)
		}
		if m.fault == "" && string(m.data) != "null" {
			fmt.Fprintf(&b, " data=%s", m.data)
		}
		if p := d.place(); p >= 0 {
			fmt.Fprintf(&b, " @%d", p)
		}
	}
	return b.String()
}

func TestDecode(t *testing.T) {
	long := strings.Repeat("9", 255)
	for _, c := range []struct{ name, frame, want string }{
		{
			"the example", `{"op":"report","id":17,"time":"1715050000","seq":42,"data":{"conn_ip":"10.0.0.1","id":17},"code":0}`,
			`report id=17 seq=42 time=2024-05-07T02:46:40Z data={"conn_ip":"10.0.0.1","id":17}`,
		},
		{"the least", `{"id":1}`, `report id=1`},
		{"white space", " \t\r\n{ \"id\" : 1 , \"data\" : [ 1 , 2 ] } \n", `report id=1 data=[ 1 , 2 ]`},
		{"data as sent", `{"id":1,"data":{"a" : 1e400,"a":"\ud800\/"}}`, `report id=1 data={"a" : 1e400,"a":"\ud800\/"}`},
		{"null fields are absent", `{"op":null,"id":1,"seq":null,"time":null,"code":null,"data":null}`, `report id=1`},
		{"unknown fields", `{"id":1,"x":{"id":2},"Op":"done","y":[[]]}`, `report id=1`},
		{"escaped keys", `{"\u0069d":1,"\u006fp":"d\u006fne"}`, `done id=1`},
		{
			"the other ops", `{"op":"progress","id":1} {"op":"done","id":1} {"op":"flush","id":1} {"op":"flush"} {"op":"resume","id":1} {"op":"hello"}`,
			"progress id=1 @0\ndone id=1 @1\nflush id=1 @2\nflush @3\nresume id=1 @4\nhello @5",
		},
		{"unknown op", `{"op":"Report","id":1,"seq":2}`, `unknown_op: the op "Report" is not known id=1 seq=2`},
		{"empty op", `{"op":"","id":1}`, `unknown_op: the op "" is not known id=1`},
		{"unknown op without id", `{"op":"x"}`, `unknown_op: the op "x" is not known`},
		{"op of a wrong type", `{"op":5,"id":1,"seq":2}`, `bad_message: op must be a string id=1 seq=2`},
		{"lone surrogate in op", `{"op":"\ud800","id":1}`, `bad_message: op has a lone surrogate id=1`},

		{"id as a string", `{"id":"17"}`, `report id="17"`},
		{"id with escapes", `{"id":"a\"\u00e9\ud83d\ude00\n"}`, `report id="a\"é😀\n"`},
		{"id 0", `{"id":0}`, `report id=0`},
		{"a long id", `{"id":` + long + `}`, `report id=` + long},
		{"too long an id", `{"id":` + long + `9}`, `bad_message: ` + longID},
		{"too long an id in a string", `{"id":"` + long + `é"}`, `bad_message: ` + longID},
		{"empty id", `{"id":""}`, `bad_message: ` + wrongID},
		{"negative id", `{"id":-5}`, `bad_message: ` + wrongID},
		{"fractional id", `{"id":1.0}`, `bad_message: ` + wrongID},
		{"id with exponent", `{"id":1e3}`, `bad_message: ` + wrongID},
		{"id of a wrong type", `{"id":true,"seq":4}`, `bad_message: ` + wrongID + ` seq=4`},
		{"leading zeros", `{"id":007}`, `bad_json: not JSON: at byte 7: a number must not begin with 0`},
		{"zeros in a string are text", `{"id":"007"}`, `report id="007"`},
		{"lone surrogate in id", `{"id":"\udc00x"}`, `bad_message: id has a lone surrogate`},
		{"surrogates the wrong way round", `{"id":"\udc00\ud800"}`, `bad_message: id has a lone surrogate`},
		{"missing id", `{"data":{"ID":1}}`, `bad_message: ` + missingID},
		{"null id", `{"id":null}`, `bad_message: ` + missingID},

		{"id from data", `{"data":{"x":{"id":1},"id":17}}`, `report id=17 data={"x":{"id":1},"id":17}`},
		{"id from data, escaped", `{"data":{"\u0069d":"a\tb"}}`, `report id="a\tb" data={"\u0069d":"a\tb"}`},
		{"id null, then from data", `{"id":null,"data":{"id":"x"}}`, `report id="x" data={"id":"x"}`},
		{"bad id in data", `{"data":{"id":-1}}`, `bad_message: data.` + wrongID},
		{"two ids in data", `{"data":{"id":1,"id":1}}`, `bad_message: data.id comes twice`},
		{"two ids in data, not needed", `{"id":3,"data":{"id":1,"id":1}}`, `report id=3 data={"id":1,"id":1}`},
		{"an own id counts, though bad", `{"id":-1,"data":{"id":1}}`, `bad_message: ` + wrongID},
		{"a host's op needs no id", `{"op":"hello","data":{"id":[]}}`, `hello data={"id":[]}`},
		{"a fault keeps the id of data", `{"seq":0,"data":{"id":9}}`, `bad_message: ` + wrongSeq + ` id=9`},

		{"greatest seq", `{"id":1,"seq":4611686018427387903}`, `report id=1 seq=4611686018427387903`},
		{"too great a seq", `{"id":1,"seq":4611686018427387904}`, `bad_message: ` + wrongSeq + ` id=1`},
		{"seq 0", `{"id":1,"seq":0}`, `bad_message: ` + wrongSeq + ` id=1`},
		{"negative seq", `{"id":1,"seq":-1}`, `bad_message: ` + wrongSeq + ` id=1`},
		{"fractional seq", `{"id":1,"seq":1.0}`, `bad_message: ` + wrongSeq + ` id=1`},
		{"seq in a string", `{"id":1,"seq":"1"}`, `bad_message: ` + wrongSeq + ` id=1`},
		{"huge seq", `{"id":1,"seq":99999999999999999999999}`, `bad_message: ` + wrongSeq + ` id=1`},
		{"least code", `{"id":1,"code":-9223372036854775808}`, `report id=1 code=-9223372036854775808`},
		{"too great a code", `{"id":1,"code":9223372036854775808}`, `bad_message: ` + wrongCode + ` id=1`},
		{"fractional code", `{"id":1,"code":1.5}`, `bad_message: ` + wrongCode + ` id=1`},
		{"code in a string", `{"id":1,"code":"1"}`, `bad_message: ` + wrongCode + ` id=1`},
		{"time of a wrong type", `{"id":1,"time":{}}`, `bad_message: ` + wrongTime + ` id=1`},

		{"duplicate key", `{"id":1,"id":1}`, `bad_message: a key comes twice: "id" id=1`},
		{"duplicate key, escaped", `{"id":1,"\u0069d":2}`, `bad_message: a key comes twice: "id" id=2`},
		{"duplicate unknown key", `{"id":1,"x":1,"\u0078":2}`, `bad_message: a key comes twice: "x" id=1`},
		{"lone surrogates differ", `{"id":1,"\ud800":1,"\ud801":2}`, `report id=1`},
		{"duplicate data", `{"id":1,"data":1,"data":1}`, `bad_message: a key comes twice: "data" id=1`},
		{"duplicate among many", manyKeys(100, `"k7":1`), `bad_message: a key comes twice: "k7" id=1`},
		{"many keys", manyKeys(100, `"k":1`), `report id=1`},

		{"empty", ``, `bad_json: the frame is empty`},
		{"only space", " \n ", `bad_json: the frame is empty`},
		{"byte order mark", "\uFEFF{\"id\":1}", `bad_json: not JSON: a byte order mark is at the beginning; leave it out`},
		{"NUL", "{\"id\":1}\x00", "report id=1 @0\nbad_json: not JSON: at byte 8: a value is expected @1"},
		{"cut off", `{"id":1,"data":"x`, `bad_json: not JSON: at byte 17: it ends inside a string`},
		{"cut off in an escape", `{"id":"\u12`, `bad_json: not JSON: at byte 11: it ends inside a string`},
		{"single quotes", `{'id':1}`, `bad_json: not JSON: at byte 1: a key in double quotes is expected in an object`},
		{"trailing comma", `{"id":1,}`, `bad_json: not JSON: at byte 8: a key in double quotes is expected in an object`},
		{"control character", "{\"id\":\"a\nb\"}", "bad_json: not JSON: at byte 8: a control character in a string must be escaped @0\n" +
			"bad_json: not JSON: at byte 9: a value is expected @1"},
		{"bad escape", `{"id":"\x"}`, `bad_json: not JSON: at byte 8: an unknown escape sequence in a string`},
		{"bad hex", `{"id":"\u00g0"}`, `bad_json: not JSON: at byte 11: four hexadecimal digits are expected after \u`},
		{"no colon", `{"id" 1}`, `bad_json: not JSON: at byte 6: a colon is expected after a key`},
		{"NaN", `{"id":1,"data":NaN}`, `bad_json: not JSON: at byte 15: a value is expected`},
		{"a wrong type, then a syntax error", `{"op":5,"id":1,`, `bad_json: not JSON: at byte 15: a key in double quotes is expected in an object`},
		{"a number", `17`, `bad_message: a message must be a JSON object`},

		{"an array", `[{"id":1},{"id":2,"seq":3}]`, "report id=1 @0\nreport id=2 seq=3 @1"},
		{"an array of one", ` [ {"id":1} ] `, "report id=1"},
		{"an empty array", `[]`, ``},
		{
			"a bad message in an array", `[{"id":1},17,{"id":-2},[{"id":1}],{"id":3}]`,
			"report id=1 @0\nbad_message: a message must be a JSON object @1\nbad_message: " + wrongID + " @2\n" +
				"bad_message: a message must be a JSON object @3\nreport id=3 @4",
		},
		{
			"a syntax error in an array", "[{\"id\":1},{\"id\":2]\n{\"id\":3}",
			"bad_json: not JSON: at byte 17: a comma or } is expected in an object @0\nreport id=3 @1",
		},
		{"NDJSON", "{\"id\":1}\n{\"id\":2}\r\n\n{\"id\":3}\n", "report id=1 @0\nreport id=2 @1\nreport id=3 @2"},
		{
			"a bad line", "{\"id\":1}\n{\"id\":2,\n{\"id\":3}\n{\"id\":4}",
			"report id=1 @0\nbad_json: not JSON: at byte 18: a key in double quotes is expected in an object @1\nreport id=4 @2",
		},
		{"concatenated", `{"id":1}{"id":2} [{"id":3}]{"id":4}`, "report id=1 @0\nreport id=2 @1\nreport id=3 @2\nreport id=4 @3"},
		{
			"pretty-printed", "{\n  \"id\": 1,\n  \"data\": {\n    \"a\": []\n  }\n}\n{\n  \"id\": 2\n}\n",
			"report id=1 data={\n    \"a\": []\n  } @0\nreport id=2 @1",
		},
		{"commas between", `{"id":1},{"id":2}`, "report id=1 @0\nbad_json: not JSON: at byte 8: a value is expected @1"},

		{"invalid UTF-8 in data", "{\"id\":1,\"data\":\"\xff\"} {\"id\":2}", "bad_message: the message is not valid UTF-8 id=1 @0\nreport id=2 @1"},
		{"invalid UTF-8 in id", "{\"id\":\"\xff\",\"seq\":1}", "bad_message: the message is not valid UTF-8 seq=1"},
		{"invalid UTF-8 in a key", "[{\"id\":1,\"\xc0\x80\":1},{\"id\":2}]", "bad_message: the message is not valid UTF-8 id=1 @0\nreport id=2 @1"},
		{"invalid UTF-8 outside of strings", "{\"id\":1}\xff", "report id=1 @0\nbad_json: not JSON: at byte 8: a value is expected @1"},
		{"invalid UTF-8 in an op", "{\"op\":\"\xff\",\"id\":1}", "bad_message: the message is not valid UTF-8 id=1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := read(c.frame); got != c.want {
				t.Errorf("%.200s\ngot:  %.500s\nwant: %.500s", c.frame, got, c.want)
			}
		})
	}
}

func manyKeys(n int, last string) string {
	b := `{"id":1`
	for i := range n {
		b += fmt.Sprintf(`,"k%d":%d`, i, i)
	}
	return b + "," + last + "}"
}

func TestDecodeDeepAndLarge(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct{ name, frame, want string }{
		{"depth 10,000", `{"id":1,"data":` + nested(10_000) + `}`, "report id=1 data=["},
		{"depth 10,001", `{"id":1,"data":` + nested(10_001) + `}`, "bad_message: the message is nested deeper than 10000 levels id=1"},
		{"depth 500,000", `{"id":1,"data":` + nested(500_000) + `}`, "bad_message: the message is nested deeper than 10000 levels id=1"},
		{"depth 1,000,000, not closed", strings.Repeat(`[`, 1_000_000), "bad_json: not JSON: at byte 1000000: it ends"},
		{"a key of 1 MB", `{"id":1,"` + strings.Repeat("k", 1_000_000) + `":1}`, "report id=1"},
		{"100,000 keys", manyKeysFast(100_000), "report id=1"},
		{"a number of 1 MB", `{"id":1,"data":` + strings.Repeat("7", 1_000_000) + `}`, "report id=1 data=7"},
		{"a time of 1 MB", `{"id":1,"time":0.` + strings.Repeat("0", 1_000_000) + `1}`, "report id=1 time=1970"},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			if got := read(c.frame); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %.200s, want %s", got, c.want)
			}
			if d := time.Since(start); d > time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

func manyKeysFast(n int) string {
	var b strings.Builder
	b.WriteString(`{"id":1`)
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":1`, i)
	}
	return b.String() + "}"
}

func TestMoments(t *testing.T) {
	const wrong = "!"
	for text, want := range map[string]string{
		`0`: "1970-01-01T00:00:00Z", `-1`: "1969-12-31T23:59:59Z", `0.0`: "1970-01-01T00:00:00Z",
		`1715050000`:            "2024-05-07T02:46:40Z",
		`1715050000.123456`:     "2024-05-07T02:46:40.123456Z",
		`1715050000.1234567891`: "2024-05-07T02:46:40.123456789Z",
		`0.05`:                  "1970-01-01T00:00:00.05Z",
		`-0.5`:                  "1969-12-31T23:59:59.5Z",
		`99999999999`:           "5138-11-16T09:46:39Z",
		`100000000000`:          "1973-03-03T09:46:40Z",
		`1715050000123`:         "2024-05-07T02:46:40.123Z",
		`1715050000123.5`:       "2024-05-07T02:46:40.1235Z",
		`1715050000123456`:      "2024-05-07T02:46:40.123456Z",
		`1715050000123456789`:   "2024-05-07T02:46:40.123456789Z",
		`9999999999999999999`:   "2286-11-20T17:46:39.999999999Z",
		`10000000000000000000`:  wrong,
		`-62135596800`:          wrong, // the zero time
		`-30610224000`:          "1000-01-01T00:00:00Z",
		`-30610224001`:          wrong,
		`1.71505e9`:             "2024-05-07T02:46:40Z",
		`1715050000123E-3`:      "2024-05-07T02:46:40.123Z",
		`1e400`:                 wrong, `1e999999999999`: wrong, `1e-999999999999`: "1970-01-01T00:00:00Z",
		`01715050000`: wrong, `+1`: wrong, ` 1`: wrong, ``: wrong, `.5`: wrong, `1.`: wrong, `NaN`: wrong,
		`2024-05-06T21:33:20Z`:             "2024-05-06T21:33:20Z",
		`2024-05-06t21:33:20.5z`:           "2024-05-06T21:33:20.5Z",
		`2024-05-06 21:33:20+00:00`:        "2024-05-06T21:33:20Z",
		`2024-05-06T21:33:20.123456+02:30`: "2024-05-06T19:03:20.123456Z",
		`2024-02-29T00:00:00-23:59`:        "2024-02-29T23:59:00Z",
		`2016-12-31T23:59:60Z`:             "2017-01-01T00:00:00Z",
		`2023-02-29T00:00:00Z`:             wrong, `2024-13-01T00:00:00Z`: wrong, `2024-00-01T00:00:00Z`: wrong,
		`2024-01-00T00:00:00Z`: wrong, `2024-01-01T24:00:00Z`: wrong, `2024-01-01T00:60:00Z`: wrong,
		`2024-01-01T00:00:00`: wrong, `2024-01-01T00:00:00.Z`: wrong, `2024-01-01T00:00:00,5Z`: wrong,
		`2024-01-01T00:00:00+24:00`: wrong, `2024-01-01T00:00:00+0100`: wrong, `2024-01-01`: wrong,
		`2024-01-01T0:00:00Z`: wrong, `0999-12-31T23:59:59Z`: wrong, `9999-12-31T23:59:59.999999Z`: "9999-12-31T23:59:59.999999Z",
		`9999-12-31T23:59:59-00:01`: wrong,
	} {
		got, problem := parseMoment([]byte(text))
		if problem != "" {
			if want != wrong {
				t.Errorf("%q: %s, want %s", text, problem, want)
			}
		} else if s := got.Format(time.RFC3339Nano); s != want {
			t.Errorf("%q: %s, want %s", text, s, want)
		}
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	d := newDecoder(operations([]string{"report"}, nil))
	frame := []byte(`{"op":"report","id":17,"time":"1715050000","seq":42,"data":{"conn_ip":"10.0.0.1","id":17},"code":0}
		{"op":"report","id":"a\u0062c","time":"2024-05-06T21:33:20.5Z","x":1,"y":2,"seq":43,"data":{"a":[1,2,{"b":"\n"}]}}
		{"data":{"id":"from-data","x":1}}`)
	var m incoming
	if n := testing.AllocsPerRun(100, func() {
		d.reset(frame, true)
		for d.next(&m) {
			if m.fault != "" {
				t.Fatal(m.text)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, frame := range map[string]string{
		"example": `{"op":"report","id":17,"time":"1715050000","seq":42,"data":{"conn_ip":"10.0.0.1","id":17},"code":0}`,
		"200":     `{"op":"report","id":"device-000017","seq":1715050000123456,"time":1715050000123456,"data":{"conn_ip":"10.0.0.1","state":"running","progress":0.75,"message":"step 12 of 16 has been completed"}}`,
		"array":   "[" + strings.Repeat(`{"op":"report","id":17,"time":"1715050000","seq":42,"data":{"conn_ip":"10.0.0.1","id":17},"code":0},`, 49) + `{"id":1}]`,
		"4k":      `{"id":17,"seq":1,"data":"` + strings.Repeat("lorem ipsum ", 340) + `"}`,
	} {
		b.Run(name, func(b *testing.B) {
			d := newDecoder(operations([]string{"report"}, nil))
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			f := []byte(frame)
			var m incoming
			for b.Loop() {
				d.reset(f, utf8.Valid(f))
				for d.next(&m) {
				}
			}
		})
	}
}
