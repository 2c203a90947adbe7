package spool

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// fileSystem is the directory of a spool. Names are relative to it. Tests have one
// in memory that crashes.
type fileSystem interface {
	// lock keeps every other process out until the result is closed.
	lock() (io.Closer, error)
	// list gives the names in the directory, in no order.
	list() ([]string, error)
	// create makes a file that must not exist.
	create(name string) (file, error)
	// open opens a file for reading and writing.
	open(name string) (file, error)
	rename(from, to string) error
	remove(name string) error
	mkdir(name string) error
	// syncDir makes the names in the directory durable.
	syncDir() error
}

// file is an open file.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes content and size durable.
	Sync() error
	Truncate(size int64) error
	// Preallocate makes the file size bytes long, with the space to write them.
	// Where the file system cannot, it does nothing.
	Preallocate(size int64) error
	Size() (int64, error)
}

// osDir is a directory of the operating system.
type osDir string

// openDir makes the directory where it is missing, durably.
func openDir(dir string) (osDir, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	var made []string // the parents of what is made
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, os.ErrNotExist) {
			break
		}
		made = append(made, filepath.Dir(d))
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", err
	}
	for _, d := range made {
		if err := osDir(d).syncDir(); err != nil {
			return "", err
		}
	}
	return osDir(dir), nil
}

func (d osDir) path(name string) string { return filepath.Join(string(d), name) }

func (d osDir) list() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (d osDir) create(name string) (file, error) {
	f, err := os.OpenFile(d.path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d osDir) open(name string) (file, error) {
	f, err := os.OpenFile(d.path(name), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d osDir) rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }
func (d osDir) remove(name string) error     { return os.Remove(d.path(name)) }
func (d osDir) mkdir(name string) error {
	err := os.Mkdir(d.path(name), 0o750)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

func (d osDir) syncDir() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// osFile is a file of the operating system.
type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
