package transport

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// leastToken is how long a token is at the least, in bytes: a shorter one can be
// guessed.
const leastToken = 16

// What is wrong with a token, its name, or its ids. Tokens themselves are never
// quoted.
const (
	badToken     = "a token must be at least 16 bytes of printable ASCII without spaces, as openssl rand -hex 32 makes it"
	badName      = "a token's name must be 1 to 64 letters, digits, and any of . _ @ -"
	badDigest    = "the digest must be the 64 hexadecimal digits of a SHA-256"
	badIDPattern = "an id must be 1 to 255 bytes, with no * but at its end"
)

// maxName is the most bytes that the name of a token may have.
const maxName = 64

func validName(s string) bool {
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._@-", r))
	})
}

func validToken(s string) bool {
	return len(s) >= leastToken && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func validIDPattern(s string) bool {
	return s != "" && len(s) <= engine.MaxIDLen+1 && !strings.Contains(s[:len(s)-1], "*")
}

// token is a token as it is kept: without the token.
type token struct {
	Identity
	digest [sha256.Size]byte
	ids    *idSet // of Identity.IDs
}

func newToken(digest [sha256.Size]byte, who Identity) *token {
	return &token{who, digest, newIDSet(who.IDs)}
}

func (t *token) expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// same tells whether t still means what o meant.
func (t *token) same(o *token) bool {
	return t.Name == o.Name && t.Expires.Equal(o.Expires) && slices.Equal(t.IDs, o.IDs) && (t.IDs == nil) == (o.IDs == nil)
}

// tokens are all that are good.
type tokens struct {
	list  []*token
	known map[[sha256.Size]byte]*token
	plain bool // some stood in the file as they are
}

// find gives the token whose value this is. It compares digests, with every token
// in turn, so that the time it takes tells nothing of any.
func (ts *tokens) find(value string) *token {
	digest := sha256.Sum256([]byte(value))
	var found *token
	for _, t := range ts.list {
		if subtle.ConstantTimeCompare(digest[:], t.digest[:]) == 1 {
			found = t
		}
	}
	return found
}

func (ts *tokens) add(t *token) (added bool) {
	if ts.known[t.digest] != nil {
		return false
	}
	ts.known[t.digest] = t
	ts.list = append(ts.list, t)
	return true
}

// newTokens makes the table of a validated configuration and of the text of its
// file.
func newTokens(c *AuthConfig, file []byte) (*tokens, error) {
	ts := &tokens{known: make(map[[sha256.Size]byte]*token)}
	for _, t := range c.Tokens {
		digest, _ := t.digest()
		expires, _ := t.expires()
		ts.add(newToken(digest, Identity{t.Name, t.IDs, expires}))
	}
	n := 0
	for line := range strings.Lines(string(file)) {
		n++
		fields := strings.Fields(line)
		// There may be a # in a token: what begins a comment begins a word.
		if i := slices.IndexFunc(fields, func(s string) bool { return s[0] == '#' }); i >= 0 {
			fields = fields[:i]
		}
		if len(fields) == 0 {
			continue
		}
		t, plain, err := parseToken(fields)
		if err == nil && !ts.add(t) {
			err = errors.New("this token was there before")
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", c.File, n, err) // the line stays unsaid
		}
		ts.plain = ts.plain || plain
	}
	if len(ts.list) == 0 {
		return nil, fmt.Errorf("%s: there is no token in it", c.File)
	}
	return ts, nil
}

// parseToken reads a line of the file: NAME TOKEN [IDS].
func parseToken(fields []string) (t *token, plain bool, err error) {
	if len(fields) < 2 || len(fields) > 3 {
		return nil, false, errors.New("a line must be NAME TOKEN, or NAME TOKEN ID,ID")
	}
	who := Identity{Name: fields[0]}
	if !validName(who.Name) {
		return nil, false, errors.New(badName)
	}
	if len(fields) == 3 {
		who.IDs = strings.Split(fields[2], ",")
		if slices.ContainsFunc(who.IDs, func(s string) bool { return !validIDPattern(s) }) {
			return nil, false, errors.New(badIDPattern)
		}
	}
	if text, hashed := strings.CutPrefix(fields[1], "sha256:"); hashed {
		digest, ok := hexDigest(text)
		if !ok {
			return nil, false, errors.New(badDigest)
		}
		return newToken(digest, who), false, nil
	}
	if !validToken(fields[1]) {
		return nil, false, errors.New(badToken)
	}
	return newToken(sha256.Sum256([]byte(fields[1])), who), true, nil
}

func (t TokenConfig) digest() (digest [sha256.Size]byte, ok bool) {
	if t.Value != "" {
		return sha256.Sum256([]byte(t.Value)), true
	}
	return hexDigest(string(t.SHA256))
}

func (t TokenConfig) expires() (time.Time, error) {
	if t.Expires == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339, t.Expires)
}

func hexDigest(s string) (digest [sha256.Size]byte, ok bool) {
	b, err := hex.DecodeString(s)
	copy(digest[:], b)
	return digest, err == nil && len(b) == sha256.Size
}
