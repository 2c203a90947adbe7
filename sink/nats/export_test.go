package nats

import "time"

// LookAgain makes the next Write look at the stream.
func LookAgain(s *Sink) {
	s.checking.Lock()
	defer s.checking.Unlock()
	s.checked = time.Time{}
}
