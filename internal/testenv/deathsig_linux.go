package testenv

import "syscall"

// stopWithParent has the kernel send sig to the child when the thread that
// started it is gone, whatever ended it.
func stopWithParent(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }
