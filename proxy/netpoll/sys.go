package netpoll

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These calls never block, because every descriptor here is non-blocking. So they skip the bookkeeping that the runtime does
// around a call that may hold its thread, which costs as much as a tenth of a small request.

// sysRead is read(2) on the shorter way that sockets have.
func sysRead(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0)
	return count(n, errno), errno
}

// sysSend is write(2) without the signal: SIGPIPE would only take time to be ignored.
func sysSend(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		unix.MSG_NOSIGNAL, 0, 0)
	return count(n, errno), errno
}

// sysSendv is writev(2) without the signal.
func sysSendv(fd int, msg *unix.Msghdr) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(msg)), unix.MSG_NOSIGNAL)
	return count(n, errno), errno
}

// sysPeek looks at one byte and leaves it where it is.
func sysPeek(fd int) (int, syscall.Errno) {
	var b [1]byte
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b)), 1,
		unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
	return count(n, errno), errno
}

func sysAccept(fd int, sa *unix.RawSockaddrAny) (int, syscall.Errno) {
	size := uint32(unix.SizeofSockaddrAny)
	n, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(&size)),
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return count(n, errno), errno
}

func sysConnect(fd int, sa *unix.RawSockaddrAny, size uint32) syscall.Errno {
	_, _, errno := syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(sa)), uintptr(size))
	return errno
}

func sysGetsockname(fd int, sa *unix.RawSockaddrAny) syscall.Errno {
	size := uint32(unix.SizeofSockaddrAny)
	_, _, errno := syscall.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(&size)))
	return errno
}

func sysClose(fd int) {
	_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// sysEpollTake fetches events without waiting. arm64 has no epoll_wait, so it is epoll_pwait for both.
func sysEpollTake(epfd int, events []unix.EpollEvent) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(unsafe.SliceData(events))),
		uintptr(len(events)), 0, 0, 0)
	return count(n, errno), errno
}

func sysEpollCtl(epfd, op, fd int, event *unix.EpollEvent) syscall.Errno {
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(event)), 0, 0)
	return errno
}

func count(n uintptr, errno syscall.Errno) int {
	if errno != 0 {
		return 0
	}
	return int(n)
}
