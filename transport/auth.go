package transport

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

// bearerProtocol begins the subprotocol in which a browser shows its token: it can
// set no headers.
const bearerProtocol = "ingest.bearer."

// bearer gives the token that a request shows; empty where it shows none, or where a
// proxy might have looked at another.
func bearer(r *http.Request, query bool) string {
	headers := r.Header.Values("Authorization")
	if len(headers) > 1 {
		return ""
	}
	if scheme, value, ok := strings.Cut(strings.Join(headers, ""), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(value)
	}
	for _, header := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(header, ",") {
			if text, ok := strings.CutPrefix(strings.TrimSpace(p), bearerProtocol); ok {
				b, err := base64.RawURLEncoding.DecodeString(text)
				if err != nil {
					return ""
				}
				return string(b)
			}
		}
	}
	if query {
		return r.URL.Query().Get("token")
	}
	return ""
}

// checkToken tells who sends a request, and refuses it where that is nobody known.
func (r *rules) checkToken(req *http.Request, p *pass) *refusal {
	refuse := func(text, reason string) *refusal {
		return &refusal{kind: refusedAuth, status: http.StatusUnauthorized, text: text, reason: reason}
	}
	if r.authenticate != nil {
		who, err := r.authenticate(req)
		if err != nil {
			return refuse("authentication failed", err.Error())
		}
		if !who.Expires.IsZero() && !time.Now().Before(who.Expires) {
			return refuse("authentication failed", reasonExpired)
		}
		p.sender, p.ids, p.expires = who.Name, newIDSet(who.IDs), who.Expires
		return nil
	}
	if r.tokens == nil {
		return nil
	}
	shown := bearer(req, r.query)
	if shown == "" {
		if len(req.Header.Values("Authorization")) > 1 {
			return refuse("there must be one Authorization header", "")
		}
		return refuse("a token is required", "")
	}
	t := r.tokens.find(shown)
	switch {
	case t == nil:
		return refuse("the token is not valid", "")
	case t.expired(time.Now()):
		return refuse("the token is not valid", "the token of "+t.Name+" has expired")
	}
	p.sender, p.ids, p.expires, p.token = t.Name, t.ids, t.Expires, t
	return nil
}

// idSet is the ids that a client may send to.
type idSet struct {
	exact    map[string]struct{}
	prefixes []string
}

// newIDSet gives nil where patterns is: every id.
func newIDSet(patterns []string) *idSet {
	if patterns == nil {
		return nil
	}
	s := &idSet{exact: make(map[string]struct{})}
	for _, p := range patterns {
		if prefix, ok := strings.CutSuffix(p, "*"); ok {
			s.prefixes = append(s.prefixes, prefix)
		} else {
			s.exact[p] = struct{}{}
		}
	}
	return s
}

func (s *idSet) has(id string) bool {
	if _, ok := s.exact[id]; ok {
		return true
	}
	for _, p := range s.prefixes {
		if strings.HasPrefix(id, p) {
			return true
		}
	}
	return false
}
