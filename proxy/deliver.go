package proxy

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// errFileShrank: the file became shorter while it was sent. The client sees the
// connection end before the length that it was told.
var errFileShrank = &refusal{status: 500, silent: true, cause: errors.New("the file became shorter while it was sent")}

// deliver sends a part of a file as the last of the body: the first bytes with the
// head in one system call, the rest with sendfile(2).
func (x *exchange) deliver(f *os.File, part byteRange) error {
	if part.start >= part.end {
		return x.sendPart(nil, true)
	}
	if err := x.deliverPart(f, part); err != nil {
		return err
	}
	x.Completed = true
	return nil
}

func (x *exchange) deliverPart(f *os.File, part byteRange) error {
	at, err := x.copyPart(f, part.start, part.end)
	for err == nil && at < part.end {
		at, err = x.sendFilePart(f, at, part.end)
	}
	return err
}

// copyPart sends up to a buffer of the file, behind the head if that is not sent.
func (x *exchange) copyPart(f *os.File, at, end int64) (int64, error) {
	buf := upstreamBuffers.Get().(*[upstreamBufferSize]byte)
	defer upstreamBuffers.Put(buf)
	n, err := f.ReadAt(buf[:min(int64(len(buf)), end-at)], at)
	if n == 0 {
		return at, readFailure(err)
	}
	bufs := x.iov[:0]
	if !x.sent {
		bufs = append(bufs, x.out)
	}
	return at + int64(n), x.write(append(bufs, buf[:n]))
}

// readFailure says what it means that a file gave no bytes.
func readFailure(err error) error {
	if err == io.EOF {
		return errFileShrank
	}
	return &refusal{status: 500, cause: err}
}

// sendFilePart sends some of the file from the kernel's cache, at most
// send_timeout without any progress.
func (x *exchange) sendFilePart(f *os.File, at, end int64) (int64, error) {
	if x.conn.secure != nil || x.conn.stream != nil { // the kernel would send it as it is
		return x.copyPart(f, at, end)
	}
	x.conn.nc.SetWriteDeadline(x.until(x.rules().sendTimeout))
	n, err := x.conn.nc.SendFile(int(f.Fd()), at, end-at)
	x.BytesSent += n
	switch {
	case err == nil:
		return at + n, nil
	case err == io.ErrUnexpectedEOF:
		return at, errFileShrank
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOSYS): // a file system without it
		return x.copyPart(f, at, end)
	}
	return at, errClientGone
}

// sendMultipart sends the ranges, each behind its head.
func (x *exchange) sendMultipart(r *reply) error {
	for i, part := range r.file.ranges {
		if err := x.sendPart(r.multipart.heads[i], false); err != nil {
			return err
		}
		if err := x.deliverPart(r.file.file, part); err != nil {
			return err
		}
	}
	return x.sendPart(r.multipart.last, true)
}

// sendParts sends a file through gzip.
func (x *exchange) sendParts(f *fileAnswer) error {
	buf := upstreamBuffers.Get().(*[upstreamBufferSize]byte)
	defer upstreamBuffers.Put(buf)
	for at := int64(0); at < f.size; {
		n, err := f.file.ReadAt(buf[:min(int64(len(buf)), f.size-at)], at)
		if n == 0 {
			return readFailure(err)
		}
		at += int64(n)
		if err := x.sendPart(buf[:n], at == f.size); err != nil {
			return err
		}
	}
	return nil
}
