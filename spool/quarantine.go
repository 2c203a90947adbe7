package spool

import (
	"fmt"
	"io"
)

// quarantineDir holds copies of what could not be read.
const quarantineDir = "quarantine"

// quarantine keeps a copy of a part of a segment. It is for people who want to find
// out what was there: where it fails, nothing else does.
func (s *Spool) quarantine(src io.ReaderAt, segment string, off, size int64) {
	const most = 64 << 20
	if size <= 0 {
		return
	}
	name := fmt.Sprintf("%s/%s.%d-%d", quarantineDir, segment, off, off+size)
	if err := s.keepCopy(name, io.NewSectionReader(src, off, min(size, most))); err != nil {
		s.log.Warn("what could not be read is not kept", "file", name, "error", err)
		return
	}
	s.log.Warn("what could not be read is kept", "file", name)
}

func (s *Spool) keepCopy(name string, from io.Reader) error {
	if err := s.fs.mkdir(quarantineDir); err != nil {
		return err
	}
	_ = s.fs.remove(name) // a copy that was made before
	f, err := s.fs.create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.NewOffsetWriter(f, 0), from)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
