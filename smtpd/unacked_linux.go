package smtpd

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unacknowledged returns how many octets of output the peer has not acknowledged (TCP) or not
// read (unix sockets). A peer that closes a unix socket discards what it has not read: discarded
// reports that, but only once. ok is false if the system does not report it.
func unacknowledged(socket net.Conn) (n int, discarded, ok bool) {
	s, ok := socket.(syscall.Conn)
	if !ok {
		return 0, false, false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, false, false
	}
	var failure error
	err = raw.Control(func(fd uintptr) {
		n, failure = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		if _, local := socket.(*net.UnixConn); !local || n > 0 || failure != nil {
			return
		}
		var pending int
		pending, failure = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		discarded = pending == int(unix.ECONNRESET)
	})
	return n, discarded, err == nil && failure == nil
}
