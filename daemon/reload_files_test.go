package daemon

import (
	"path/filepath"
	"reflect"
	"testing"
)

// A reload tells of files with other content, though no setting is another one.
func TestFilesThatChanged(t *testing.T) {
	name := filepath.Join(t.TempDir(), "tokens")
	const settings = "transport \"websocket\" {\n  auth {\n    file = "
	p := testPlugins(t)
	write(t, name, "a 0123456789abcdef\n")
	cfg := testConfig(t, p, settings+`"`+name+"\"\n  }\n}\n")
	before := readNamed(cfg)
	if got := readNamed(cfg).changed(before); got != nil {
		t.Errorf("nothing has changed, and %v has", got)
	}
	write(t, name, "b 0123456789abcdef\n")
	want := []string{name + " (transport.websocket.auth.file)"}
	if got := readNamed(cfg).changed(before); !reflect.DeepEqual(got, want) {
		t.Errorf("%v has changed, not %v", got, want)
	}
	if got := readNamed(cfg).changed(namedFiles{}); got != nil {
		t.Errorf("a file that is new is told as a setting, and as %v", got)
	}
}
