// Package page is the dashboard: the page at / on the admin port. It is plain HTML,
// CSS and ES modules, as they stand in the directory files, and a vendored uPlot
// (see vendor.md). It needs no build and no network: all that it shows
// comes from /api/v1.
//
// There is nothing secret in it. Where the API asks for a token, the page asks its
// user.
package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed files
var files embed.FS

// Policy is the Content-Security-Policy of the page. All that it loads is its own,
// and nothing is inline: a payload that gets into it by a mistake is text still.
const Policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// file is one file as it is sent.
type file struct {
	kind   string // Content-Type
	etag   string
	plain  []byte
	packed []byte // gzip; nil where that is not smaller
}

// Handler serves / and what the page loads, all of it below /assets/. Other paths
// are 404. A browser asks each time whether a file has changed, so that a new
// version of the daemon shows the page of its own.
func Handler() http.Handler {
	all := load()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, "/assets/")
		if r.URL.Path == "/" {
			name, ok = "index.html", true
		}
		f := all[name]
		if !ok || f == nil {
			http.NotFound(w, r)
			return
		}
		f.serve(w, r)
	})
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Security-Policy", Policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	body, etag := f.plain, f.etag
	if f.packed != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body, etag = f.packed, strings.TrimSuffix(f.etag, `"`)+`-gzip"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Etag", etag)
	for known := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(known), "W/") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body)
	}
}

// kinds are given here, as those of package mime depend on the machine.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// load reads what is embedded, by its path below files.
func load() map[string]*file {
	all := make(map[string]*file)
	_ = fs.WalkDir(files, "files", func(name string, entry fs.DirEntry, _ error) error {
		if entry.IsDir() {
			return nil
		}
		text, _ := files.ReadFile(name) // it is embedded: there is no error
		sum := sha256.Sum256(text)
		f := &file{
			kind:  kinds[path.Ext(name)],
			etag:  `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
			plain: text,
		}
		if f.kind == "" {
			f.kind = "text/plain; charset=utf-8"
		}
		if packed := pack(text); len(packed) < len(text) {
			f.packed = packed
		}
		all[strings.TrimPrefix(name, "files/")] = f
		return nil
	})
	return all
}

func pack(text []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is a good one
	_, _ = w.Write(text)                                    // into memory
	_ = w.Close()
	return out.Bytes()
}
