package mariadbtest

import "syscall"

// diesWithUs makes the kernel end a process whose parent has ended, however that
// came.
func diesWithUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
