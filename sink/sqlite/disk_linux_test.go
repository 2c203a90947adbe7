package sqlite_test

import (
	"os"
	osexec "os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ingestd/ingestd/internal/long"
)

// A disk that is full makes everybody wait, and nothing else; once there is room it
// goes on. The disk is a small one in memory, which only a process sees that may
// mount one in a name space of its own.
func TestFullDisk(t *testing.T) {
	const inside = "SQLITE_TEST_DISK"
	if os.Getenv(inside) == "" {
		cmd := osexec.Command(os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
		if uid := os.Getuid(); uid != 0 {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
		}
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	dir := t.TempDir()
	mount := func(flags uintptr, options string) {
		t.Helper()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		t.Fatal(err)
	}
	mount(0, "size=1m")
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := newSite(t, filepath.Join(dir, "ingest.db"))
	s.transient(s.engine.Fail(long.Scale(5, 200)), "full")
	stored := s.engine.Stored()
	mount(syscall.MS_REMOUNT, "size=1g")
	s.flows()
	if stored == 0 {
		t.Error("nothing was stored before it was full")
	}
	s.exact()
}
