// Package netpoll holds connections on non-blocking descriptors of its own. It is the one place of the proxy that knows
// descriptors: everything above it sees blocking-style Read, Write, Close and deadlines. Linux on amd64 and arm64 only.
//
// # The poller
//
// A [Poller] has one epoll per core. Each epoll descriptor is itself waited for by the Go runtime's poller, so that an idle
// loop holds no thread. An idle connection ([Conn.WaitReadable], [Conn.Arm]) has neither goroutine nor buffer.
//
//	accept ── Handler ── Read, Write ──┬── Close
//	             ▲                     └── WaitReadable ──┐
//	             └────── bytes, end of file, deadline, Wake ┘
//
// There are two ways to serve. A goroutine calls Read and Write, and parks on a channel when its socket would block. Inline
// code runs on the loop's own goroutine: [Conn.TryRead] and [Conn.TryWritev] return [ErrWouldBlock] instead of waiting, and
// Arm gives the connection up until there is more to do. Whatever may take long belongs to the first kind.
//
// # One word per direction
//
// Each direction of a socket has one state word, changed only by compare-and-swap:
//
//	nil      nothing is known to have happened since the last system call found the socket empty (or full)
//	ready    an event came, or nobody has looked yet: the next call goes to the kernel
//	armed    the connection waits in WaitReadable or Arm
//	waiter   a goroutine is parked
//
// Who removes a waiter wakes it, exactly once; what is woken tries its system call again and looks up why. A system call is
// made only after ready has been taken away, so that an event in between is never lost, and a short read then proves that the
// socket is empty and saves the read that would say so. After a hang-up that is not so, since data and the end share one
// event: a sticky flag, set before the state changes, makes every later read a real one. Urgent data, which no HTTP peer
// sends, would also cut a read short; it delays nobody but its sender.
//
// # Descriptors
//
// Epoll events name a descriptor and a generation; a table leads from there to the socket. The table's entry is cleared
// before close(2), and a socket object is never used again, so that a late event cannot reach the next owner of the number.
// Every Read and Write holds a reference; Close marks the socket, wakes who is parked, and the last to let go closes the
// descriptor. Sockets are registered when they first have to wait, and for writing only after a short write.
package netpoll
