//go:build !linux

package mariadbtest

import "syscall"

// diesWithUs can do nothing here: a server whose test was killed goes on.
func diesWithUs() *syscall.SysProcAttr { return nil }
