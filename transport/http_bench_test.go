package transport

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
)

// A request of 1,000 lines, from its handler to its answer: without sockets. The
// figure is for a message.
func BenchmarkPost(b *testing.B) {
	const lines = 1000
	for _, ids := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(ids, "-ids"), func(b *testing.B) {
			c := testHTTPConfig()
			c.Listen = ""
			h, err := ListenHTTP(c)
			if err != nil {
				b.Fatal(err)
			}
			h.ctx, h.router, h.serving = context.Background(), &fuzzRouter{}, true
			var body []byte
			for i := range lines {
				body = fmt.Appendf(body, "{\"op\":\"report\",\"id\":%d,\"time\":\"1715050000\",\"seq\":%d,\"data\":{\"conn_ip\":\"10.0.0.1\",\"id\":17},\"code\":0}\n", i%ids, i+1)
			}
			want := fmt.Sprintf("{\"messages\":%d,\"stored\":%d}\n", lines, lines)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n += lines
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, httptest.NewRequest("POST", "/?client=c", bytes.NewReader(body)))
				if rec.Body.String() != want {
					b.Fatal(rec.Body)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/msg")
		})
	}
}
