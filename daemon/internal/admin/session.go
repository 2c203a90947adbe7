package admin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/internal/seedbug"
)

// sessionFor is how long a browser need not show the token again.
const sessionFor = 7 * 24 * time.Hour

// seal is the proof in a session that ends then. It is made with the token, so
// another token ends all sessions, and a restart none.
func (r *rules) seal(ends string) string {
	token := r.token
	if seedbug.Is("admin-session-outlives-token") {
		token = ""
	}
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("ingestd session until " + ends))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// hasSession tells whether a request comes with a session that is good.
func (g *guard) hasSession(rules *rules, r *http.Request) bool {
	for _, c := range r.CookiesNamed(g.cookie) {
		ends, seal, _ := strings.Cut(c.Value, ".")
		at, err := strconv.ParseInt(ends, 10, 64)
		if err == nil && hmac.Equal([]byte(seal), []byte(rules.seal(ends))) && time.Now().Unix() < at {
			return true
		}
	}
	return false
}

// session answers whether a token is needed and was shown.
func (s *Server) session(w http.ResponseWriter, r *http.Request) {
	if no := s.guard.door(r); no != nil {
		s.refuse(w, r, no)
		return
	}
	rules := s.guard.rules.Load()
	signed := !rules.needed || s.guard.hasSession(rules, r)
	if shown, ok := bearer(r); ok && !signed {
		signed = rules.check(shown) == nil
	}
	answer(w, http.StatusOK, api.Session{TokenNeeded: rules.needed, SignedIn: signed})
}

// mostForm is the most that a login may send.
const mostForm = 4 << 10

// login begins a session. The token comes in the body, never in the URL.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	no := s.guard.door(r)
	rules := s.guard.rules.Load()
	if no == nil && rules.needed {
		r.Body = http.MaxBytesReader(w, r.Body, mostForm)
		if r.ParseForm() != nil {
			no = refuse(http.StatusBadRequest, "the form must have a field token")
		} else {
			no = rules.check(r.PostForm.Get("token"))
		}
	}
	if no != nil {
		s.refuse(w, r, no)
		return
	}
	if rules.needed {
		ends := strconv.FormatInt(time.Now().Add(sessionFor).Unix(), 10)
		s.setCookie(w, r, ends+"."+rules.seal(ends), int(sessionFor/time.Second))
	}
	s.home(w, r)
}

// logout ends the session of this browser.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if no := s.guard.door(r); no != nil {
		s.refuse(w, r, no)
		return
	}
	s.setCookie(w, r, "", -1)
	s.home(w, r)
}

func (s *Server) setCookie(w http.ResponseWriter, r *http.Request, value string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: s.guard.cookie, Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https"),
	})
}

// home answers a form: a browser that goes there is led to the page.
func (s *Server) home(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
