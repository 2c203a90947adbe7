package daemon

import (
	"fmt"
	"strings"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/engine"
)

// hcl writes the whole configuration, secrets masked.
func (c *config) hcl() string { return c.write(nil) }

// hclWithOrigins is hcl with a comment behind each setting that says where it came
// from.
func (c *config) hclWithOrigins() string {
	if c.origins == nil {
		return c.write(hclx.Origins{})
	}
	return c.write(c.origins)
}

func (c *config) write(origins hclx.Origins) string {
	var out strings.Builder
	block := func(header, path, of string, config any, known ...string) {
		fmt.Fprintf(&out, "\n%s {", header)
		if origins != nil {
			fmt.Fprintf(&out, " # %s", origins.Of(of))
		}
		fmt.Fprintf(&out, "\n%s}\n", hclx.WriteWith(origins, "  ", path, config, known...))
	}
	out.WriteString(hclx.WriteWith(origins, "", "", c.core))
	for _, t := range c.transports {
		header := fmt.Sprintf("transport %q", t.name)
		if t.label != "" {
			header += fmt.Sprintf(" %q", t.label)
		}
		block(header, t.path(), t.path(), t.config, t.known()...)
	}
	block(fmt.Sprintf("sink %q", c.sink.name), "sink."+c.sink.name, "sink", c.sink.config, c.sink.known()...)
	return out.String()
}

// What things take, in bytes: measured, and rounded up. A lane with its place in
// the table and an id of usual length; a connection with its goroutine, its
// buffers and its part of the tables, without what it reads.
const (
	laneBytes       = 640 * engine.Byte
	connectionBytes = 64 * engine.KiB
	spoolBytes      = 16 * engine.MiB // what is on its way to the disk, twice, and what is read back
	baseBytes       = 64 * engine.MiB
)

// memory explains the most memory that the configuration can take.
func (c *config) memory(files uint64) string {
	o := c.engineOptions()
	streams := engine.Size(o.MaxStreams) * laneBytes
	// A group is in the batches, in the arguments of its statement, and in the
	// driver's packet.
	groups := engine.Size(o.Writers) * 3 * o.GroupBytes
	total := baseBytes + o.MaxPending + streams + groups
	if c.Delivery.Spool {
		total += spoolBytes
	}

	var out strings.Builder
	line := func(size engine.Size, format string, args ...any) {
		fmt.Fprintf(&out, "#   %9s  %s\n", human(size), fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&out, "# The most memory it can hold at once: %s, and what its connections take.\n", human(total))
	line(o.MaxPending, "accepted and not yet stored: router.max_pending")
	line(streams, "%d live streams at %v each: router.max_streams", o.MaxStreams, laneBytes)
	line(groups, "%s being written, of %v, three times each", count(o.Writers, "group"), o.GroupBytes)
	if c.Delivery.Spool {
		line(spoolBytes, "the spool, whatever is in it")
	}
	line(baseBytes, "the program itself")
	c.memoryOfReaders(func(format string, args ...any) { fmt.Fprintf(&out, format, args...) })
	for _, t := range c.transports {
		if bodies, ok := hclx.Get[engine.Size](t.config, "max_bodies"); ok {
			fmt.Fprintf(&out, "# The bodies of %s: %s at the most; %s is usual for each request besides.\n",
				t.path(), human(bodies), human(connectionBytes))
			continue
		}
		size, ok := hclx.Get[engine.Size](t.config, "max_message_size")
		if !ok {
			continue
		}
		each := connectionBytes + 2*size
		fmt.Fprintf(&out, "# Each connection of %s: %s at the most, while it reads a message of\n", t.path(), human(each))
		fmt.Fprintf(&out, "# max_message_size; %s is usual.\n", human(connectionBytes))
	}
	if files > 0 {
		fmt.Fprintf(&out, "# The limit of open files allows about %d connections.\n", files)
	}
	out.WriteString("# The garbage collector lets the heap grow to twice what is held, unless GOMEMLIMIT\n# is set.\n")
	return out.String()
}

// human writes a size to be read, not to be exact.
func human(s engine.Size) string {
	for _, u := range []struct {
		size engine.Size
		name string
	}{{engine.GiB, "GiB"}, {engine.MiB, "MiB"}, {engine.KiB, "KiB"}} {
		if s >= u.size {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(s)/float64(u.size)), ".0") + " " + u.name
		}
	}
	return fmt.Sprintf("%d B", s)
}
