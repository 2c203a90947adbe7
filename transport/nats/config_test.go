package nats

import (
	"strings"
	"testing"

	"github.com/ingestd/ingestd/internal/jet"
)

// All faults are told at once, without secrets.
func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	c := DefaultConfig()
	c.URL = jet.URLs{"nats://me:secret@h:1", "http://secret"}
	c.Stream, c.Group, c.Name = "", "a.b", strings.Repeat("x", 65)
	err := c.Validate()
	if err == nil {
		t.Fatal("it is right")
	}
	for _, option := range []string{"url", "stream", "group", "name"} {
		if !strings.Contains(err.Error(), option) {
			t.Errorf("%s is not named: %v", option, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("a secret is told: %v", err)
	}
	if name := asName("my.host/ü"); name != "my-host--" || !isName(name) {
		t.Error(name)
	}
}
