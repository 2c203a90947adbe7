package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keepSpool turns the spool on for this run where messages of an earlier one are
// left in it: past them, others would be stored out of order, and without it they
// would be forgotten.
func (d *daemon) keepSpool() error {
	if d.cfg.Delivery.Spool {
		return nil
	}
	segments, err := filesIn(d.cfg.spoolDir(), "", ".seg")
	if err != nil || len(segments) == 0 {
		return err
	}
	for _, t := range d.cfg.transports {
		if t.reads {
			return fmt.Errorf("messages are left in the spool, %s, and %s cannot be read with one: store them first, by a start without that transport",
				d.cfg.spoolDir(), t.path())
		}
	}
	c := *d.cfg
	c.Delivery.Spool, c.Delivery.SpoolMax = true, max(c.Delivery.SpoolMax, leastSpool)
	d.cfg = &c
	d.log.Warn("delivery.spool is off, but messages are left in the spool: it stays in use until a start finds it empty",
		"dir", d.cfg.spoolDir())
	return nil
}

// noteUndelivered reminds of what an earlier shutdown could not store.
func (d *daemon) noteUndelivered() {
	files, err := filesIn(d.cfg.DataDir, "undelivered-", ".ndjson")
	if err != nil || len(files) == 0 {
		return
	}
	d.log.Warn(`messages of an earlier shutdown are not stored: give them back with "ingestd send FILE", then delete the files`,
		"files", files)
}

// filesIn lists the files of a directory, if there is one, whose names begin and end
// so.
func filesIn(dir, prefix, suffix string) (paths []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), suffix) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, err
}
