package logfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"
)

// packedSuffix is what logrotate appends to the name of a packed file.
const packedSuffix = ".gz"

// RotatePacked is [Rotate] for backups that may be packed: NAME.3.gz becomes
// NAME.4.gz.
func RotatePacked(path string, backups int) error {
	for _, suffix := range []string{"", packedSuffix} {
		if err := os.Remove(backup(path, backups) + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rotate log %s: %w", path, err)
		}
	}
	for i := backups - 1; i >= 1; i-- {
		err := os.Rename(backup(path, i)+packedSuffix, backup(path, i+1)+packedSuffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rotate log %s: %w", path, err)
		}
	}
	return Rotate(path, backups)
}

// Pack packs the n-th backup of a log and removes it. It does nothing when there is
// none. What is there under the packed name is kept until the new file is whole.
func Pack(path string, n int) error {
	name := backup(path, n)
	if err := pack(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("pack log %s: %w", name, err)
	}
	return nil
}

func pack(name string) error {
	in, err := openRegular(name)
	if err != nil {
		return err
	}
	defer in.Close()
	temporary := name + packedSuffix + ".tmp"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(packInto(out, in), out.Close()); err != nil {
		os.Remove(temporary)
		return err
	}
	if err := os.Rename(temporary, name+packedSuffix); err != nil {
		return err
	}
	return os.Remove(name)
}

// openRegular opens a file that is none of somebody else's making: no link, no pipe.
func openRegular(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	return f, nil
}

// packInto also gives out the owner and the mode of in.
func packInto(out, in *os.File) error {
	z := gzip.NewWriter(out)
	if _, err := io.Copy(z, in); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(in.Fd()), &st); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := out.Chown(int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	if err := out.Chmod(fs.FileMode(st.Mode).Perm()); err != nil {
		return err
	}
	return out.Sync()
}
