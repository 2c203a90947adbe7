package page

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// most is what all of the page may weigh: 150 KiB.
const most = 150 << 10

func get(t *testing.T, url string, header http.Header) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, url, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func TestWeight(t *testing.T) {
	sum, packed := 0, 0
	for _, f := range load() {
		sum += len(f.plain)
		if f.packed == nil {
			packed += len(f.plain)
		}
		packed += len(f.packed)
	}
	t.Logf("%d bytes, %d compressed", sum, packed)
	if sum >= most {
		t.Errorf("the page has %d bytes, and may have %d", sum, most)
	}
}

// What is vendored is what vendor.md says.
func TestVendored(t *testing.T) {
	readme, err := os.ReadFile("vendor.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|.*`([0-9a-f]{64})` \\|$").FindAllStringSubmatch(string(readme), -1)
	if len(rows) != 1 {
		t.Fatalf("%d files in the table", len(rows))
	}
	for _, row := range rows {
		text, err := files.ReadFile("files/vendor/" + row[1])
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != row[2] {
			t.Errorf("%s has the hash %x, and not that of the table", row[1], sum)
		}
	}
	if text, err := files.ReadFile("files/vendor/uPlot.LICENSE"); err != nil || !strings.Contains(string(text), "MIT License") {
		t.Errorf("the licence of uPlot is not there: %v", err)
	}
}

// Nothing is written as HTML by a script, or runs from a text; nothing is inline, and
// nothing comes from elsewhere.
func TestNothingInjects(t *testing.T) {
	script := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|setHTML|srcdoc|\beval\b|new Function|javascript:`)
	markup := regexp.MustCompile(`(?i)\sstyle=|\son[a-z]+=|<style|<script>|<script [^>]*>[^<]`)
	elsewhere := regexp.MustCompile(`https?://[^"\s]+`)
	err := fs.WalkDir(files, "files", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) == ".LICENSE" {
			return err
		}
		text, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if found := script.Find(text); found != nil {
			t.Errorf("%s has %q", name, found)
		}
		if path.Dir(name) == "files/vendor" {
			return nil
		}
		for _, url := range elsewhere.FindAllString(string(text), -1) {
			if !strings.HasPrefix(url, "http://www.w3.org/") { // names of XML
				t.Errorf("%s names %s", name, url)
			}
		}
		if path.Ext(name) == ".html" {
			if found := markup.Find(text); found != nil {
				t.Errorf("%s has %q", name, found)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestHandler(t *testing.T) {
	for url, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/assets/style.css": "text/css; charset=utf-8", "/assets/js/app.js": "text/javascript; charset=utf-8",
		"/assets/icon.svg": "image/svg+xml", "/assets/vendor/uPlot.LICENSE": "text/plain; charset=utf-8",
	} {
		r := get(t, url, nil)
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != kind {
			t.Errorf("%s: %s, %s", url, r.Status, r.Header.Get("Content-Type"))
		}
		if r.Header.Get("Content-Security-Policy") != Policy || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", url, r.Header)
		}
	}
	for _, url := range []string{"/assets/", "/assets/nothing", "/assets/../embed.go", "/other", "/assets/js"} {
		if r := get(t, url, nil); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", url, r.Status)
		}
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

// A browser that has a file is not sent it again; compressed, it is another one.
func TestUnchanged(t *testing.T) {
	plain := get(t, "/assets/style.css", nil)
	packed := get(t, "/assets/style.css", http.Header{"Accept-Encoding": {"gzip, br"}})
	if packed.Header.Get("Content-Encoding") != "gzip" || packed.ContentLength >= plain.ContentLength {
		t.Errorf("compressed: %v", packed.Header)
	}
	tag := plain.Header.Get("Etag")
	if tag == "" || tag == packed.Header.Get("Etag") || plain.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("plain: %v", plain.Header)
	}
	if r := get(t, "/assets/style.css", http.Header{"If-None-Match": {`"other", W/` + tag}}); r.StatusCode != http.StatusNotModified {
		t.Errorf("known: %s", r.Status)
	}
	if r := get(t, "/assets/style.css", http.Header{"If-None-Match": {`"other"`}}); r.StatusCode != http.StatusOK {
		t.Errorf("another: %s", r.Status)
	}
}

// Every file that the page names is there, and every one that is there is named.
func TestFilesAreUsed(t *testing.T) {
	named := map[string]bool{"index.html": true, "vendor/uPlot.LICENSE": true}
	reference := regexp.MustCompile(`"/assets/([^"]+)"|from "\./([^"]+)"`)
	all := load()
	for name, f := range all {
		if strings.HasPrefix(name, "vendor/") {
			continue
		}
		for _, m := range reference.FindAllSubmatch(f.plain, -1) {
			if len(m[1]) > 0 {
				named[string(m[1])] = true
			} else {
				named["js/"+string(m[2])] = true
			}
		}
	}
	for name := range all {
		if !named[name] {
			t.Errorf("nothing loads %s", name)
		}
	}
	for name := range named {
		if all[name] == nil {
			t.Errorf("%s is not there", name)
		}
	}
}
