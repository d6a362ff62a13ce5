//go:build !windows

package retry

import "syscall"

// connectionErrors say that the other side refused, reset or closed a connection.
var connectionErrors = []error{
	syscall.ECONNREFUSED,
	syscall.ECONNRESET,
	syscall.ECONNABORTED,
	syscall.EPIPE,
}
