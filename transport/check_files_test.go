package transport

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What cannot be used is found before anything is opened, all at once, each at its
// setting.
func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		return name
	}
	none := filepath.Join(dir, "none")
	private := file("private", "a "+plainToken+"\n", 0o600)
	public := file("public", "a "+plainToken+"\n", 0o644)
	hashed := file("hashed", "a sha256:"+hash(plainToken)+"\n", 0o644)
	broken := file("broken", "marker-secret\n", 0o600)
	token := func(expires string) *AuthConfig {
		return &AuthConfig{Tokens: []TokenConfig{{Name: "edge", Value: plainToken, Expires: expires}}}
	}
	for name, c := range map[string]struct {
		config         ServerConfig
		faults, doubts []string
	}{
		"nothing": {},
		"good":    {config: ServerConfig{Auth: &AuthConfig{File: private}}},
		"hashed":  {config: ServerConfig{Auth: &AuthConfig{File: hashed}}},
		"public":  {config: ServerConfig{Auth: &AuthConfig{File: public}}, doubts: []string{"auth.file", "chmod 600 " + public}},
		"missing": {
			config: ServerConfig{TLS: &TLSConfig{Cert: none, Key: none, ClientCA: none}, Auth: &AuthConfig{File: none}},
			faults: []string{"tls.cert ", "tls.key ", "tls.client_ca ", "auth.file ", "no such file"},
		},
		"broken": {
			config: ServerConfig{TLS: &TLSConfig{Cert: broken, Key: broken}, Auth: &AuthConfig{File: broken}},
			faults: []string{"tls.cert ", "auth.file ", broken + ":1: a line must be NAME TOKEN"},
		},
		"expired":     {config: ServerConfig{Auth: token("2001-01-31T00:00:00Z")}, doubts: []string{"auth.token.edge.expires"}},
		"not expired": {config: ServerConfig{Auth: token("2999-01-31T00:00:00Z")}},
	} {
		faults, doubts := c.config.CheckFiles()
		for what, got := range map[string]struct {
			err  error
			want []string
		}{"faults": {faults, c.faults}, "doubts": {doubts, c.doubts}} {
			text := ""
			if got.err != nil {
				text = got.err.Error()
			}
			if (text == "") != (len(got.want) == 0) || strings.Contains(text, "marker") {
				t.Errorf("%s: %s are %q", name, what, text)
			}
			for _, want := range got.want {
				if !strings.Contains(text, strings.TrimSpace(want)) {
					t.Errorf("%s: %q is not in the %s:\n%s", name, want, what, text)
				}
			}
		}
	}
	feed := DefaultWebSocketClientConfig()
	if faults, doubts := feed.CheckFiles(); faults != nil || doubts != nil {
		t.Errorf("a feed without files: %v, %v", faults, doubts)
	}
	feed.TLS = &ClientTLSConfig{CA: none, Cert: broken, Key: none}
	if faults, _ := feed.CheckFiles(); faults == nil || !strings.Contains(faults.Error(), "tls.ca") || !strings.Contains(faults.Error(), "tls.key") {
		t.Errorf("a feed whose files are missing: %v", faults)
	}
	feed.TLS = &ClientTLSConfig{CA: broken}
	if faults, _ := feed.CheckFiles(); faults == nil || !strings.Contains(faults.Error(), "there is no certificate in it") {
		t.Errorf("a feed whose roots are none: %v", faults)
	}
}
