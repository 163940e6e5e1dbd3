package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// lab is the temporary folder, the app and the proxies.
type lab struct {
	dir                     string
	nginx, nginxBody, house *proxy
	app                     *exec.Cmd
	hold                    io.Closer // the app's standard input: it ends with it
}

// newLab makes the folder, which other users may enter: Paddock's proxy process is nobody.
func newLab(ctx context.Context, paddock string) (_ *lab, err error) {
	if err := raiseLimit(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "paddock-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if err := l.furnish(ctx); err != nil {
		return nil, err
	}
	if l.nginx, err = newNginx(l, nginxBest, ""); err != nil {
		return nil, err
	}
	if l.nginxBody, err = newNginx(l, nginxBestBody, "client_body_buffer_size 128k;"); err != nil {
		return nil, err
	}
	if l.house, err = newPaddock(l, paddock); err != nil {
		return nil, err
	}
	return l, nil
}

// furnish makes what both need: certificate, wrk's script, and the app.
func (l *lab) furnish(ctx context.Context) error {
	if err := os.Chmod(l.dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(l.path("post.lua"), []byte(postScript), 0o644); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
		"-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
		"-keyout", l.path("key.pem"), "-out", l.path("certificate.pem")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("certificate: %w\n%s", err, out)
	}
	return l.startApp()
}

// startApp runs this program again, so that the app's CPU time is nobody else's.
func (l *lab) startApp() error {
	l.app = exec.Command("/proc/self/exe", "app", l.path("app.sock"))
	l.app.Stderr = os.Stderr
	in, err := l.app.StdinPipe()
	if err != nil {
		return err
	}
	l.hold = in
	if err := l.app.Start(); err != nil {
		return fmt.Errorf("start the app: %w", err)
	}
	return nil
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

func (l *lab) proxies() []*proxy { return []*proxy{l.nginx, l.nginxBody, l.house} }

// against is the nginx of that name.
func (l *lab) against(name string) *proxy {
	if name == nginxBestBody {
		return l.nginxBody
	}
	return l.nginx
}

// newProxy gives a proxy its folder and two free ports.
func (l *lab) newProxy(name string) (*proxy, error) {
	p := &proxy{name: name, dir: l.path(strings.ToLower(name))}
	if err := os.Mkdir(p.dir, 0o755); err != nil {
		return nil, err
	}
	var err error
	if p.plain, err = freeAddress(); err != nil {
		return nil, err
	}
	p.tls, err = freeAddress()
	return p, err
}

// fill puts the places into a configuration.
func (l *lab) fill(p *proxy, conf string) string {
	metrics, _ := freeAddress()
	return strings.NewReplacer("{dir}", p.dir, "{log}", p.log(), "{socket}", l.path("app.sock"), "{plain}", p.plain, "{tls}", p.tls,
		"{certificate}", l.path("certificate.pem"), "{key}", l.path("key.pem"), "{metrics}", metrics,
		"{descriptors}", strconv.Itoa(descriptors)).Replace(conf)
}

func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

func (l *lab) start(ctx context.Context, all []*proxy) error {
	for _, p := range all {
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) stop() {
	for _, p := range l.proxies() {
		if p != nil {
			p.stop()
		}
	}
}

// close stops everything and removes the folder.
func (l *lab) close() error {
	l.stop()
	var err error
	if l.app != nil && l.app.Process != nil {
		err = errors.Join(l.hold.Close(), l.app.Wait())
	}
	return errors.Join(err, os.RemoveAll(l.dir))
}
