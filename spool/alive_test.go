package spool

import (
	"context"
	"testing"
	"time"
)

func TestAliveAsksEachLock(t *testing.T) {
	s := &Spool{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Alive(ctx); err != nil {
		t.Error(err)
	}
	for name, mu := range map[string]interface {
		Lock()
		Unlock()
	}{
		"spool": &s.mu, "flows": &s.flows.mu, "producers": &s.producers.mu, "journal": &s.journal.mu,
	} {
		mu.Lock()
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		if s.Alive(short) == nil {
			t.Errorf("the lock of %s is held, and nobody says so", name)
		}
		cancel()
		mu.Unlock()
		if err := s.Alive(ctx); err != nil {
			t.Error(err)
		}
	}
}
