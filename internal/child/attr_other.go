//go:build !linux

package child

import "syscall"

// attributes make a group of its own. A child whose parent was killed goes on.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
