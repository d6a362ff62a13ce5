package retry

import "syscall"

// connectionErrors say that the other side refused, reset or closed a connection.
// The first four are invented by package syscall for programs that name them; the
// system returns the last three.
var connectionErrors = []error{
	syscall.ECONNREFUSED,
	syscall.ECONNRESET,
	syscall.ECONNABORTED,
	syscall.EPIPE,
	syscall.Errno(10061), // WSAECONNREFUSED, which package syscall lacks
	syscall.WSAECONNRESET,
	syscall.WSAECONNABORTED,
}
