package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/ingestd/ingestd/engine"
)

// errCrashed is what everything returns after the crash.
var errCrashed = errors.New("the machine has crashed")

// crashFS is a file system in memory that keeps apart what is synced and what is
// not. It crashes at a chosen operation; image gives what may be found afterwards.
type crashFS struct {
	mu      sync.Mutex
	durable map[string]*inode // the names that are synced
	names   map[string]*inode
	changes []change // of names since they were synced
	locked  bool
	ops     int
	crashAt int // the operation at which it crashes; 0: it does not
	frozen  *crashFS
	opened  map[string]int
	full    bool            // no file may be made, or grow
	numbers *engine.Numbers // of the spools that use it

	// fault may fail an operation: "write", "sync", "create", "truncate", ... of a
	// file. For a write it also says how many bytes are written nevertheless.
	fault func(op, name string, size int) (int, error)
}

// A change is one of the directory. All of it survives a crash, or nothing.
type change struct {
	remove string
	add    string
	inode  *inode
}

// An inode is a file: its content, and what of that is synced.
type inode struct {
	data, synced []byte
	name         string
}

func newCrashFS() *crashFS {
	return &crashFS{durable: map[string]*inode{}, names: map[string]*inode{}, opened: map[string]int{}}
}

// step is called before each operation, with the lock held.
func (c *crashFS) step(op, name string, size int) (int, error) {
	if c.frozen != nil {
		return 0, errCrashed
	}
	if op != "read" {
		if c.ops++; c.ops == c.crashAt {
			c.freeze()
			return 0, errCrashed
		}
	}
	if c.fault != nil {
		return c.fault(op, name, size)
	}
	return size, nil
}

// freeze keeps the state of the moment of the crash.
func (c *crashFS) freeze() {
	copies := make(map[*inode]*inode)
	clone := func(n *inode) *inode {
		if n == nil {
			return nil
		}
		if copies[n] == nil {
			copies[n] = &inode{bytes.Clone(n.data), bytes.Clone(n.synced), n.name}
		}
		return copies[n]
	}
	f := newCrashFS()
	for name, n := range c.durable {
		f.durable[name] = clone(n)
	}
	for _, ch := range c.changes {
		f.changes = append(f.changes, change{ch.remove, ch.add, clone(ch.inode)})
	}
	c.frozen = f
}

// crash freezes the file system now, unless it is.
func (c *crashFS) crash() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.frozen == nil {
		c.freeze()
	}
}

func (c *crashFS) crashed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frozen != nil
}

// image gives a file system as it may be found after the crash: of what was not
// synced, any part may have survived.
func (c *crashFS) image(rng *rand.Rand) *crashFS {
	c.mu.Lock()
	defer c.mu.Unlock()
	from := c.frozen
	names := maps.Clone(from.durable)
	mood := rng.IntN(3)
	for _, ch := range from.changes {
		if mood == 0 || mood == 1 && rng.IntN(2) == 0 {
			continue
		}
		delete(names, ch.remove)
		if ch.add != "" {
			names[ch.add] = ch.inode
		}
	}
	after := newCrashFS()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		data := names[name].survivor(rng)
		after.names[name] = &inode{data, bytes.Clone(data), name}
	}
	after.durable = maps.Clone(after.names)
	return after
}

// ifItCrashed gives what would be found if it crashed now, and lets it go on.
func (c *crashFS) ifItCrashed(rng *rand.Rand) *crashFS {
	c.crash()
	after := c.image(rng)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen = nil
	return after
}

// survivor gives the content of a file after a crash. Of the pages that were not
// synced some are written, some are not, and some are torn between two sectors.
func (n *inode) survivor(rng *rand.Rand) []byte {
	const page, sector = 4096, 512
	size := len(n.synced)
	if rng.IntN(2) == 0 {
		size = len(n.data)
	} else if len(n.data) > size && rng.IntN(2) == 0 {
		size += rng.IntN(len(n.data) - size)
	}
	out := make([]byte, size)
	copy(out, n.synced)
	chance := rng.IntN(5) // how likely a page is written
	for at := 0; at < size; at += page {
		end := min(at+page, size)
		switch {
		case rng.IntN(4) < chance:
		case rng.IntN(3) == 0:
			end = min(end, at+sector*rng.IntN(page/sector))
		default:
			continue
		}
		if at < len(n.data) {
			clear(out[at:end])
			copy(out[at:end], n.data[at:])
		}
	}
	return out
}

func (c *crashFS) lock() (io.Closer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.locked {
		return nil, errors.New("locked")
	}
	c.locked = true
	return unlocker{c}, nil
}

type unlocker struct{ c *crashFS }

func (u unlocker) Close() error {
	u.c.mu.Lock()
	defer u.c.mu.Unlock()
	u.c.locked = false
	return nil
}

func (c *crashFS) list() ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.step("read", "", 0); err != nil {
		return nil, err
	}
	var names []string
	for name := range c.names {
		if !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	return names, nil
}

func (c *crashFS) create(name string) (file, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.step("create", name, 0); err != nil {
		return nil, err
	}
	if c.names[name] != nil {
		return nil, fs.ErrExist
	}
	if c.full {
		return nil, syscall.ENOSPC
	}
	n := &inode{name: name}
	c.names[name] = n
	c.changes = append(c.changes, change{add: name, inode: n})
	c.opened[name]++
	return &crashFile{c, n, name, false}, nil
}

func (c *crashFS) open(name string) (file, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.step("read", name, 0); err != nil {
		return nil, err
	}
	n := c.names[name]
	if n == nil {
		return nil, fs.ErrNotExist
	}
	c.opened[name]++
	return &crashFile{c, n, name, false}, nil
}

func (c *crashFS) rename(from, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.step("rename", from, 0); err != nil {
		return err
	}
	n := c.names[from]
	delete(c.names, from)
	c.names[to], n.name = n, to
	c.changes = append(c.changes, change{remove: from, add: to, inode: n})
	return nil
}

func (c *crashFS) remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.step("remove", name, 0); err != nil {
		return err
	}
	if c.names[name] == nil {
		return fs.ErrNotExist
	}
	delete(c.names, name)
	c.changes = append(c.changes, change{remove: name})
	return nil
}

func (c *crashFS) mkdir(string) error { return nil }

func (c *crashFS) syncDir() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.step("syncdir", "", 0); err != nil {
		return err
	}
	c.durable, c.changes = maps.Clone(c.names), nil
	return nil
}

// fill takes all the space that is left on the disk, or gives it back.
func (c *crashFS) fill(full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.full = full
}

// leaks tells what is open still.
func (c *crashFS) leaks() (open []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, n := range c.opened {
		if n != 0 {
			open = append(open, fmt.Sprint(name, " ", n))
		}
	}
	if c.locked {
		open = append(open, "the lock")
	}
	return open
}

// crashFile is an open file.
type crashFile struct {
	c      *crashFS
	n      *inode
	name   string
	closed bool
}

func (f *crashFile) ReadAt(p []byte, off int64) (int, error) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if _, err := f.c.step("read", f.n.name, len(p)); err != nil {
		return 0, err
	}
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *crashFile) WriteAt(p []byte, off int64) (int, error) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if f.c.full && off+int64(len(p)) > int64(len(f.n.data)) {
		return 0, syscall.ENOSPC
	}
	before := f.c.frozen
	n, err := f.c.step("write", f.n.name, len(p))
	if before == nil && f.c.frozen != nil {
		// It crashes in the midst of the write: any part of it may be there.
		for name, frozen := range f.c.frozen.durable {
			if f.c.durable[name] == f.n {
				frozen.write(p, off)
				return 0, err
			}
		}
		return 0, err
	}
	f.n.write(p[:min(n, len(p))], off)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}

func (n *inode) write(p []byte, off int64) {
	if len(p) == 0 {
		return
	}
	n.resize(max(int64(len(n.data)), off+int64(len(p))))
	copy(n.data[off:], p)
}

func (n *inode) resize(size int64) {
	for int64(len(n.data)) < size {
		n.data = append(n.data, make([]byte, size-int64(len(n.data)))...)
	}
	n.data = n.data[:size]
}

func (f *crashFile) Sync() error {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if _, err := f.c.step("sync", f.n.name, 0); err != nil {
		return err
	}
	f.n.synced = append(f.n.synced[:0], f.n.data...)
	return nil
}

func (f *crashFile) Truncate(size int64) error {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if _, err := f.c.step("truncate", f.n.name, int(size)); err != nil {
		return err
	}
	f.n.resize(size)
	return nil
}

func (f *crashFile) Preallocate(size int64) error {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if _, err := f.c.step("preallocate", f.n.name, int(size)); err != nil {
		return err
	}
	f.n.resize(max(size, int64(len(f.n.data))))
	return nil
}

func (f *crashFile) Size() (int64, error) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	return int64(len(f.n.data)), nil
}

func (f *crashFile) Close() error {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	f.c.opened[f.name]--
	return nil
}
