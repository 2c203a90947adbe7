package ladder

import "context"

// maps is the fourth design as it was first: a map of the ids to maps that collect
// ten messages each and are then written. Nothing guards them, and the runtime
// ends a process that writes a map twice at once: within a moment.
type maps struct {
	spawn
	streams map[string]map[int]message
}

func newMaps(_ context.Context, s *store, _ times) design {
	return &maps{spawn: spawn{store: s}, streams: make(map[string]map[int]message)}
}

func (d *maps) receive(ctx context.Context, m message) {
	d.start(ctx, func() error {
		places := d.streams[m.id]
		if places == nil {
			places = make(map[int]message)
			d.streams[m.id] = places
		}
		places[len(places)] = m
		if len(places) < batchSize {
			return nil
		}
		delete(d.streams, m.id)
		return d.store.rows(ctx, inOrder(places))
	})
}

// inOrder gives the messages in the order of their places.
func inOrder(places map[int]message) []message {
	ms := make([]message, len(places))
	for i := range ms {
		ms[i] = places[i]
	}
	return ms
}
