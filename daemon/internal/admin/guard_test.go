package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h[pairs[i]] = append(h[pairs[i]], pairs[i+1])
	}
	return h
}

// Who is let in, and who is not: by the port, the token, the Host, and what a
// browser says of the page that asks.
func TestWhoIsLetIn(t *testing.T) {
	d := newDaemon(t)
	bearerOf := func(token string) []string { return []string{"Authorization", "Bearer " + token} }
	for _, c := range []struct {
		name   string
		access Access
		wide   bool // it listens on more than this machine
		header []string
		want   int
		says   string
	}{
		{"this machine", Access{}, false, nil, 200, ""},
		{"localhost", Access{}, false, []string{"Host", "localhost:7002"}, 200, ""},
		{"a name below localhost", Access{}, false, []string{"Host", "a.localhost"}, 200, ""},
		{"localhost as it is written seldom", Access{}, false, []string{"Host", "LOCALHOST.:1"}, 200, ""},
		{"this machine by IPv6", Access{}, false, []string{"Host", "[::1]:7002"}, 200, ""},
		{"a name made to lead here", Access{}, false, []string{"Host", "evil.example:7002"}, 403, "hosts"},
		{"one that looks like ours", Access{}, false, []string{"Host", "localhost.evil.example"}, 403, "hosts"},
		{"another one", Access{}, false, []string{"Host", "127.0.0.1.evil.example"}, 403, "hosts"},
		{"no name", Access{}, false, []string{"Host", ""}, 403, "hosts"},
		{"another address without a token", Access{}, false, []string{"Host", "10.0.0.5:7002"}, 403, "token"},
		{"a proxy without a token", Access{}, false, []string{"X-Forwarded-For", "1.2.3.4"}, 403, "proxy"},
		{"another proxy without a token", Access{}, false, []string{"Forwarded", "for=1.2.3.4"}, 403, "proxy"},
		{"more than this machine without a token", Access{}, true, nil, 403, "set token in admin { }"},

		{"no token", Access{Token: token}, false, nil, 401, "Authorization: Bearer"},
		{"the token", Access{Token: token}, false, bearerOf(token), 200, ""},
		{"the token on more than this machine", Access{Token: token}, true, bearerOf(token), 200, ""},
		{"the token, by an address", Access{Token: token}, true, append(bearerOf(token), "Host", "10.0.0.5:7002"), 200, ""},
		{"the token through a proxy", Access{Token: token, Hosts: []string{"In.example"}}, false, append(bearerOf(token), "Host", "in.EXAMPLE", "X-Forwarded-For", "1.2.3.4"), 200, ""},
		{"a listed name without the token", Access{Token: token, Hosts: []string{"in.example"}}, false, []string{"Host", "in.example"}, 401, ""},
		{"the token under another name", Access{Token: token, Hosts: []string{"in.example"}}, true, append(bearerOf(token), "Host", "out.example"), 403, "hosts"},
		{"a part of the token", Access{Token: token}, false, bearerOf(token[:15]), 401, "not the right one"},
		{"more than the token", Access{Token: token}, false, bearerOf(token + "0"), 401, "not the right one"},
		{"an empty token", Access{Token: token}, false, bearerOf(""), 401, "not the right one"},
		{"another scheme", Access{Token: token}, false, []string{"Authorization", "Basic " + token}, 401, ""},
		{"a session that is none", Access{Token: token}, false, []string{"Cookie", "ingestd_session_7002=99999999999.x"}, 401, ""},

		{"our page", Access{}, false, []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://127.0.0.1:7002"}, 200, ""},
		{"typed in", Access{}, false, []string{"Sec-Fetch-Site", "none"}, 200, ""},
		{"another page", Access{}, false, []string{"Sec-Fetch-Site", "cross-site"}, 403, "other origins"},
		{"a page of another port", Access{}, false, []string{"Sec-Fetch-Site", "same-site"}, 403, "other origins"},
		{"another page, of an old browser", Access{}, false, []string{"Origin", "http://evil.example"}, 403, "other origins"},
		{"a page of another port, of an old browser", Access{}, false, []string{"Origin", "http://127.0.0.1:3000"}, 403, "other origins"},
		{"a page without an origin", Access{}, false, []string{"Origin", "null"}, 403, "other origins"},
		{"two origins", Access{}, false, []string{"Origin", "http://127.0.0.1:7002", "Origin", "http://evil.example"}, 403, "other origins"},
		{"another page with the token", Access{Token: token}, false, append(bearerOf(token), "Sec-Fetch-Site", "cross-site"), 403, "other origins"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, c.access, d)
			if c.wide {
				listensWide(s)
			}
			h := header(c.header...)
			for _, request := range []string{
				"GET /api/v1/status", "GET /api/v1/history", "GET /api/v1/config", "GET /api/v1/dead-letters", "GET /debug/pprof/",
				"POST /api/v1/reload", "POST /api/v1/messages",
			} {
				method, path, _ := strings.Cut(request, " ")
				w := ask(s, method, path, "", h)
				if w.Code != c.want || !strings.Contains(w.Body.String(), c.says) {
					t.Errorf("%s: status %d, want %d with %q: %.200s", request, w.Code, c.want, c.says, w.Body)
				}
				if strings.Contains(w.Body.String(), token) || w.Header().Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%s tells too much: %v %s", request, w.Header(), w.Body)
				}
				if (w.Code == 401) != (w.Header().Get("WWW-Authenticate") != "") {
					t.Errorf("%s: WWW-Authenticate is %q", request, w.Header().Get("WWW-Authenticate"))
				}
			}
			// These are for probes, and for whoever gathers metrics.
			for _, path := range []string{"/healthz", "/readyz"} {
				if w := ask(s, http.MethodGet, path, "", h); w.Code != 200 {
					t.Errorf("%s: status %d", path, w.Code)
				}
			}
		})
	}
}

// The page is there for whoever may see something on it. Who has not shown the token
// gets it with 401, and can sign in; a link of another site may lead to it.
func TestFrontPage(t *testing.T) {
	d := newDaemon(t)
	for _, c := range []struct {
		name   string
		access Access
		wide   bool
		header []string
		want   int
		page   bool
	}{
		{"this machine", Access{}, false, nil, 200, true},
		{"a link of another site", Access{}, false, []string{"Sec-Fetch-Site", "cross-site"}, 200, true},
		{"another name", Access{}, false, []string{"Host", "evil.example"}, 403, false},
		{"more than this machine without a token", Access{}, true, nil, 403, false},
		{"no token", Access{Token: token}, true, nil, 401, true},
		{"no token, and the page is known", Access{Token: token}, true, []string{"If-None-Match", "*", "Accept-Encoding", "gzip"}, 401, false},
		{"the token", Access{Token: token}, true, []string{"Authorization", "Bearer " + token}, 200, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, c.access, d)
			if c.wide {
				listensWide(s)
			}
			w := ask(s, http.MethodGet, "/", "", header(c.header...))
			if w.Code != c.want || strings.Contains(w.Body.String(), "<!doctype html>") != c.page {
				t.Errorf("status %d, want %d: %.200s", w.Code, c.want, w.Body)
			}
			if w := ask(s, http.MethodHead, "/", "", header(c.header...)); w.Code != c.want {
				t.Errorf("HEAD: status %d, want %d", w.Code, c.want)
			}
			if w := ask(s, http.MethodGet, "/assets/style.css", "", nil); w.Code != 200 {
				t.Errorf("what the page needs: status %d", w.Code)
			}
		})
	}
}

// What cannot be asked for in this way, nobody is told anything by.
func TestMethods(t *testing.T) {
	s := open(t, Access{}, newDaemon(t))
	for request, want := range map[string]int{
		"POST /healthz": 405, "DELETE /readyz": 405, "POST /api/v1/status": 405, "GET /api/v1/reload": 405, "GET /login": 405,
		"GET /api/v1/messages": 405, "POST /": 405, "GET /nothing": 404, "GET /api/v1/nothing": 404, "GET /debug/pprof/cmdline": 404,
		"OPTIONS /api/v1/reload": 405, "GET /": 200, "HEAD /api/v1/events": 200, "HEAD /api/v1/tail": 200,
	} {
		method, path, _ := strings.Cut(request, " ")
		w := ask(s, method, path, "", nil)
		if w.Code != want {
			t.Errorf("%s: status %d, want %d", request, w.Code, want)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src ") {
			t.Errorf("%s: headers are %v", request, w.Header())
		}
	}
}

func login(s *Server, token string, h http.Header) (cookie *http.Cookie, code int) {
	if h == nil {
		h = http.Header{}
	}
	h.Set("Content-Type", "application/x-www-form-urlencoded")
	w := ask(s, http.MethodPost, "/login", url.Values{"token": {token}}.Encode(), h)
	for _, c := range w.Result().Cookies() {
		cookie = c
	}
	return cookie, w.Code
}

// A session is as good as the token, until it is over, somebody logs out, or the
// token is another one.
func TestSession(t *testing.T) {
	s := open(t, Access{Token: token}, newDaemon(t))
	status := func(c *http.Cookie) int {
		return ask(s, http.MethodGet, "/api/v1/status", "", header("Cookie", c.Name+"="+c.Value)).Code
	}
	if c, code := login(s, token, header("Origin", "http://evil.example")); c != nil || code != 403 {
		t.Errorf("a login from another page: %v, %d", c, code)
	}
	if c, code := login(s, "wrong", nil); c != nil || code != 401 {
		t.Errorf("a wrong token: %v, %d", c, code)
	}
	if w := ask(s, http.MethodPost, "/login?token="+token, "", nil); w.Code != 401 {
		t.Errorf("a token in the URL: %d", w.Code)
	}
	c, code := login(s, token, nil)
	if c == nil || code != 204 || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || strings.Contains(c.Value, token) {
		t.Fatalf("login: %d, %v", code, c)
	}
	if c, _ := login(s, token, header("X-Forwarded-Proto", "https")); !c.Secure {
		t.Error("behind a proxy with TLS the cookie goes over others too")
	}
	if code := status(c); code != 200 {
		t.Errorf("with a session: %d", code)
	}
	ends, seal, _ := strings.Cut(c.Value, ".")
	for _, value := range []string{"9" + ends + "." + seal, ends + "." + seal[1:], ends, ""} {
		if code := status(&http.Cookie{Name: c.Name, Value: value}); code != 401 {
			t.Errorf("with a session %q: %d", value, code)
		}
	}
	over := fmt.Sprint(time.Now().Add(-time.Second).Unix())
	if code := status(&http.Cookie{Name: c.Name, Value: over + "." + s.guard.rules.Load().seal(over)}); code != 401 {
		t.Errorf("with a session that is over: %d", code)
	}
	w := ask(s, http.MethodPost, "/logout", "", header("Sec-Fetch-Mode", "navigate"))
	if w.Code != 303 || w.Result().Cookies()[0].MaxAge >= 0 {
		t.Errorf("logout: %d %v", w.Code, w.Header())
	}
	s.SetAccess(Access{Token: "another token, longer"})
	if code := status(c); code != 401 {
		t.Errorf("after the token changed: %d", code)
	}
	for h, want := range map[string]string{
		"none":                         `{"token_needed":true,"signed_in":false}`,
		"Bearer " + token:              `{"token_needed":true,"signed_in":false}`,
		"Bearer another token, longer": `{"token_needed":true,"signed_in":true}`,
	} {
		if w := ask(s, http.MethodGet, "/api/v1/session", "", header("Authorization", h)); strings.TrimSpace(w.Body.String()) != want {
			t.Errorf("session with %q: %s", h, w.Body)
		}
	}
}

// Whoever guesses is told that it is wrong, and shuts out nobody.
func TestGuessing(t *testing.T) {
	s := open(t, Access{Token: token}, newDaemon(t))
	for range 100 {
		if _, code := login(s, "wrong", nil); code != 401 {
			t.Fatalf("status %d", code)
		}
	}
	if _, code := login(s, token, nil); code != 204 {
		t.Errorf("the right token, after wrong ones: status %d", code)
	}
}
