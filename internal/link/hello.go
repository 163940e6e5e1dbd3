package link

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Version is the version of the messages. Both sides are always the same binary, so
// it guards against a proxy that was started by hand or by a keeper of another build.
const Version = 1

// Hello exchanges {version, build}; both sides call it first, and only once. A side
// of another version or build is refused on both sides, and any error closes the
// connection. It waits as long as ctx.
func (c *Conn) Hello(ctx context.Context, build string) error {
	// A deadline in the past ends the read below.
	stop := context.AfterFunc(ctx, func() { _ = c.sock.SetReadDeadline(time.Unix(1, 0)) })
	err := c.hello(build)
	if !stop() { // the deadline is set, or is about to be: the connection is of no use
		err = ctx.Err()
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("link: hello: %w", err)
	_ = c.fail(err)
	return err
}

func (c *Conn) hello(build string) error {
	if err := c.Send(TypeHello, 0, Hello{Version: Version, Build: build}); err != nil {
		return err
	}
	m, files, err := c.Receive()
	if err != nil {
		return err
	}
	CloseAll(files)
	if m.Type != TypeHello {
		return fmt.Errorf("expected a hello, got %q", m.Type)
	}
	var theirs Hello
	if err := m.Decode(&theirs); err != nil {
		return err
	}
	return compareHello(Hello{Version: Version, Build: build}, theirs)
}

func compareHello(ours, theirs Hello) error {
	if theirs == ours {
		return nil
	}
	if theirs.Version != ours.Version {
		return fmt.Errorf("the other process speaks version %d, this one %d", theirs.Version, ours.Version)
	}
	if theirs.Build == "" {
		return errors.New("the other process does not name its build")
	}
	return fmt.Errorf("the other process is build %q, this one %q; start both from one binary", theirs.Build, ours.Build)
}
