package link

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// seals make a memfd's content final for everybody who holds it.
const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW

// SealedMemfd returns a file in memory that holds data and that nobody, this process
// included, can change any more. The name is seen in /proc only. Source: memfd_create(2), fcntl(2).
func SealedMemfd(name string, data []byte) (*os.File, error) {
	fd, err := memfd(name)
	if err != nil {
		return nil, fmt.Errorf("memfd %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(data); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("memfd %s: %w", name, err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals|unix.F_SEAL_SEAL); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("memfd %s: seal: %w", name, err)
	}
	return f, nil
}

// memfd asks for one that cannot be executed, which Linux knows since 6.3 and may insist on (vm.memfd_noexec).
func memfd(name string) (int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags)
	}
	return fd, err
}

// ReadMemfd returns the content of a memfd made by [SealedMemfd], wherever its offset
// stands; the file stays open. It refuses one that could still change, and one of more than
// limit bytes.
func ReadMemfd(f *os.File, limit int64) ([]byte, error) {
	if err := checkSeals(f); err != nil {
		return nil, fmt.Errorf("memfd: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("memfd: %w", err)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("memfd of %d bytes; expected at most %d", info.Size(), limit)
	}
	data := make([]byte, info.Size())
	if _, err := f.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("memfd: %w", err)
	}
	return data, nil
}

func checkSeals(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	got, sealErr := 0, error(nil)
	if err := raw.Control(func(fd uintptr) { got, sealErr = unix.FcntlInt(fd, unix.F_GET_SEALS, 0) }); err != nil {
		return err
	}
	if sealErr != nil || got&seals != seals {
		return errors.New("it is not sealed; expected a memfd sealed against write, shrink and grow")
	}
	return nil
}
