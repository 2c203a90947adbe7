package client

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/ingestd/ingestd/internal/filelock"
)

// journal is the File: a log of what was taken and what is settled. What is
// written is collected while a write is under way, so that concurrent calls of
// Send share one, and its sync. It is guarded by the client's lock, but for what
// the one that writes works with.
type journal struct {
	c    *Client
	path string
	sync bool
	lock *os.File // the lock file beside it

	busy  bool      // somebody writes
	idle  sync.Cond // nobody does any more
	batch *batch    // what is collected
	err   error     // why nothing can be kept any more

	// Of the one that writes.
	file *os.File
	size int64 // up to where it is good
}

// batch is what is written together.
type batch struct {
	b        []byte
	messages bool // some Send waits for it
	ended    bool
	written  bool // without an error
	err      error
}

// openJournal opens the File and takes what it holds into the window.
func (c *Client) openJournal() error {
	j := &journal{c: c, path: c.opts.File, sync: c.opts.Sync, batch: &batch{}}
	j.idle.L = &c.mu
	err := j.takeLock()
	if err == nil {
		err = j.load()
	}
	if err == nil {
		if c.name == "" {
			c.name = rand.Text()
		}
		err = j.rewrite(j.snapshot())
	}
	if err != nil {
		_ = j.close()
		return fmt.Errorf("open %s: %w", j.path, err)
	}
	c.journal = j
	return nil
}

func (j *journal) takeLock() error {
	if err := os.MkdirAll(filepath.Dir(j.path), 0o750); err != nil {
		return err
	}
	f, err := filelock.Take(j.path+".lock", "")
	if err != nil {
		return fmt.Errorf("it %w", err)
	}
	j.lock = f
	return nil
}

// load reads the File, if there is one, into the window.
func (j *journal) load() error {
	b, err := os.ReadFile(j.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	bad := 0
	for len(b) > 0 {
		r, rest, ok := parseRecord(b)
		if !ok {
			// Either the end was torn off by a crash, or the disk has spoilt something;
			// then what is behind it is good.
			if rest == nil {
				j.c.log.Debug("the file's torn end is cut off", "file", j.path, "bytes", len(b))
				break
			}
			bad++
			b = rest
			continue
		}
		if err := j.replay(&r); err != nil {
			return err
		}
		b = rest
	}
	if bad > 0 {
		j.c.log.Error("records of the file are damaged: what they held is lost", "file", j.path, "places", bad)
	}
	return nil
}

// replay takes one record.
func (j *journal) replay(r *record) error {
	c := j.c
	switch r.kind {
	case recordName:
		if c.name == "" {
			c.name = r.id
		}
		if c.name != r.id {
			return fmt.Errorf("it belongs to the client %q, not to %q", r.id, c.name)
		}
		c.last = max(c.last, r.seq)
	case recordMessage, recordOwn:
		s := c.stream(r.id)
		if r.kind == recordOwn {
			c.last = max(c.last, r.seq)
		}
		if r.seq > s.last {
			s.last = r.seq
			c.push(s, entry{seq: r.seq, body: append(c.alloc(len(r.body)), r.body...)})
		}
	case recordAck:
		if s := c.streams[r.id]; s != nil {
			n := 0
			for n < len(s.queue) && s.queue[n].seq <= r.seq {
				n++
			}
			c.pop(s, 0, n)
		}
	case recordRefused:
		if s := c.streams[r.id]; s != nil {
			for i := range s.queue {
				if s.queue[i].seq == r.seq {
					c.pop(s, i, i+1)
					break
				}
			}
		}
	}
	return nil
}

// message notes a message. It is to be committed.
func (j *journal) message(id string, e *entry, own bool) *batch {
	kind := recordMessage
	if own {
		kind = recordOwn
	}
	j.batch.b = appendRecord(j.batch.b, record{kind, e.seq, id, e.body})
	j.batch.messages = true
	return j.batch
}

// lazily is how many bytes of acks may wait for being written. If they are lost, the
// messages are sent again.
const lazily = 32 << 10

func (j *journal) acked(id string, seq int64, last bool) {
	j.settled(record{kind: recordAck, id: id, seq: seq}, last)
}

func (j *journal) refused(id string, seq int64, last bool) {
	j.settled(record{kind: recordRefused, id: id, seq: seq}, last)
}

// settled notes what need not be kept any more. last says that nothing need be.
func (j *journal) settled(r record, last bool) {
	if j.err != nil {
		return
	}
	j.batch.b = appendRecord(j.batch.b, r)
	if !j.busy && (last || len(j.batch.b) > lazily) {
		_ = j.commit(j.batch)
	}
}

// commit writes b with what was collected with it, or waits for the one that does.
// It needs the lock, and lets go of it meanwhile.
func (j *journal) commit(b *batch) error {
	for !b.ended && j.busy {
		j.idle.Wait()
	}
	if b.ended {
		return b.err
	}
	j.batch = &batch{}
	if b.err = j.err; b.err == nil {
		j.busy = true
		j.c.mu.Unlock()
		lasting, err := j.write(b)
		j.c.mu.Lock()
		if b.err = err; lasting {
			j.err = err
		}
		defer func() {
			j.busy = false
			j.idle.Broadcast()
		}()
	}
	b.b, b.ended, b.written = nil, true, b.err == nil
	if b.written {
		j.compact()
	}
	return b.err
}

// write appends b to the file. A write that failed is cut back, and may be tried
// again; after a sync that failed nobody knows what the disk has.
func (j *journal) write(b *batch) (lasting bool, err error) {
	n, err := j.file.WriteAt(b.b, j.size)
	if err != nil {
		cut := j.file.Truncate(j.size)
		return cut != nil, errors.Join(err, cut)
	}
	if j.sync && b.messages {
		if err := j.file.Sync(); err != nil {
			return true, err
		}
	}
	j.size += int64(n)
	return false, nil
}

// compactFrom is the least size at which the file is written anew.
const compactFrom = 1 << 20

// compact writes the file anew where most of what it holds is settled. It needs the
// lock, and lets go of it meanwhile.
func (j *journal) compact() {
	c := j.c
	if j.size < compactFrom || j.size < 4*int64(c.bytes+64*c.count) {
		return
	}
	b := j.snapshot()
	c.mu.Unlock()
	err := j.rewrite(b)
	c.mu.Lock()
	if err != nil {
		c.log.Warn("the file cannot be written anew: it grows on", "file", j.path, "error", err)
	}
}

// snapshot is what a new file holds: all that is in the window, but for what is
// still to be written.
func (j *journal) snapshot() []byte {
	c := j.c
	b := appendRecord(nil, record{kind: recordName, id: c.name, seq: c.last})
	for _, s := range c.streams {
		for i := range s.queue {
			if e := &s.queue[i]; e.batch == nil || e.batch.ended && e.batch.written {
				b = appendRecord(b, record{recordMessage, e.seq, s.id, e.body})
			}
		}
	}
	return b
}

// rewrite replaces the file.
func (j *journal) rewrite(b []byte) error {
	temporary := j.path + ".new"
	f, err := os.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(temporary, j.path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(j.path))
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if j.file != nil {
		_ = j.file.Close() // nothing is in it that the new one has not
	}
	j.file, j.size = f, int64(len(b))
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// closeJournal writes what is left and closes the file.
func (c *Client) closeJournal() error {
	j := c.journal
	if j == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err := j.commit(j.batch)
	for j.busy {
		j.idle.Wait()
	}
	j.err = ErrClosed
	return errors.Join(err, j.close())
}

func (j *journal) close() error {
	var err error
	if j.file != nil {
		err = j.file.Close()
	}
	if j.lock != nil {
		err = errors.Join(err, j.lock.Close())
	}
	return err
}
