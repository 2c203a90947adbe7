package ladder

import "context"

// direct is the first design: each message is written as it comes, the message
// first, and then the row of its stream, which all messages of the id queue for.
// A sync of the disk for each of the two makes it slow.
type direct struct{ spawn }

func newDirect(_ context.Context, s *store, _ times) design { return &direct{spawn{store: s}} }

func (d *direct) receive(ctx context.Context, m message) {
	d.start(ctx, func() error { return d.store.write(ctx, nil, m) })
}
