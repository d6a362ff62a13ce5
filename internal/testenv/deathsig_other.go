//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package testenv

import "syscall"

// stopWithParent does nothing here: a server whose test process was killed is
// stopped by the sweep of the next one.
func stopWithParent(*syscall.SysProcAttr, syscall.Signal) {}
