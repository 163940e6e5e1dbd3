package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"paddock/internal/link"
	"paddock/proxy"
	"paddock/proxy/netpoll"
	"paddock/tls"
)

const (
	// helloTimeout is far more than a keeper that started us needs to say hello.
	helloTimeout = 10 * time.Second
	// configLimit bounds the configuration: the file itself is bounded far below.
	configLimit = 256 << 20
)

// Options are what the process is started with.
type Options struct {
	Link    uintptr       // descriptor of the link
	Build   string        // the keeper must be the same build
	Drain   time.Duration // how long requests in flight may take after the link has ended
	Log     *zap.Logger   // nil: none
	Console *os.File      // gets the access lines too; nil: none
}

// Worker is the proxy process.
type Worker struct {
	opts    Options
	log     *zap.Logger
	conn    *link.Conn
	poller  *netpoll.Poller
	proxy   *proxy.Proxy // nil until the first configuration
	tls     *tls.Manager // nil with proxy
	logs    *logs
	metrics *metricsPoint // nil: off
	gather  link.Gather   // descriptors that came ahead of their message

	ctx    context.Context // ends with the link: probes and drains stop
	cancel context.CancelFunc
	asked  sync.WaitGroup // goroutines that answer the keeper
	now    bool           // the keeper asked to end at once
}

// Run serves until the link ends, then drains for at most o.Drain. The error says
// why the link broke; its orderly end is none.
func Run(o Options) error {
	if os.Getenv("GOGC") == "" {
		paceGC()
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	w := &Worker{opts: o, log: o.Log, logs: newLogs(o.Console, o.Log)}
	var err error
	if w.conn, err = link.Open(o.Link); err != nil {
		return err
	}
	defer w.conn.Close()
	if err := w.hello(); err != nil {
		return err
	}
	if w.poller, err = netpoll.Open(); err != nil {
		return fmt.Errorf("poller: %w", err)
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	err = w.conn.Serve(w.handle)
	return errors.Join(w.end(), orderly(err))
}

func (w *Worker) hello() error {
	ctx, cancel := context.WithTimeout(context.Background(), helloTimeout)
	defer cancel()
	return w.conn.Hello(ctx, w.opts.Build)
}

// end finishes what is in flight and lets go of everything.
func (w *Worker) end() error {
	w.cancel()
	w.gather.Close()
	limit := w.opts.Drain
	if w.now {
		limit = 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if w.tls != nil { // beside the requests: a hook may have something to clean up
		w.asked.Go(w.tls.Close)
	}
	var err error
	if w.proxy != nil {
		err = w.proxy.Shutdown(ctx)
	}
	w.asked.Wait()
	if errors.Is(err, context.DeadlineExceeded) {
		w.log.Warn("requests were cut at the end", zap.Duration("after", limit))
		err = nil
	}
	if err := w.logs.close(); err != nil {
		w.log.Error("access lines were lost at the end", zap.Error(err))
	}
	w.closeMetrics()                           // last: they tell of the requests that are being finished
	if left := w.poller.Close(); left != nil { // a client that came in this very moment
		w.log.Debug("closing the connections", zap.Error(left))
	}
	return err
}

// handle takes one message. What may take long is answered by a goroutine.
func (w *Worker) handle(m link.Message, files []*os.File) {
	switch m.Type {
	case link.TypeDescriptors:
		if err := w.gather.Add(m, files); err != nil {
			w.log.Error("descriptors from the keeper", zap.Error(err))
		}
	case link.TypeConfigure:
		ready, err := w.configure(m, files)
		w.reply(m, ready, err)
	case link.TypeLogs:
		w.reply(m, nil, w.reopen(m, files))
	case link.TypeApp:
		w.reply(m, nil, w.setApp(m))
	case link.TypeProbe:
		w.answer(m, w.probe)
	case link.TypeDrain:
		w.answer(m, w.drain)
	case link.TypeCertificates:
		w.reply(m, w.certificates(), nil)
	case link.TypeRenew:
		w.answer(m, w.renew)
	case link.TypeStats:
		w.reply(m, w.stats(), nil)
	case link.TypeQuit:
		w.quit(m)
	default:
		w.log.Error("unknown message from the keeper", zap.String("type", m.Type))
		_ = w.conn.Refuse(m)
	}
}

// answer runs a request that waits, and replies when it is done.
func (w *Worker) answer(m link.Message, do func(context.Context, link.Message) error) {
	w.asked.Go(func() { w.reply(m, nil, do(w.ctx, m)) })
}

// reply answers the keeper. An answer that cannot be sent means that the link has
// ended, which Serve reports.
func (w *Worker) reply(m link.Message, body any, err error) {
	_ = w.conn.Reply(m, body, err)
}

// quit ends the link: the process drains, or not, and exits.
func (w *Worker) quit(m link.Message) {
	var q link.Quit
	if err := m.Decode(&q); err != nil {
		w.log.Error("quit from the keeper", zap.Error(err))
	}
	w.now = q.Now
	_ = w.conn.Close()
}

// orderly turns the two expected ends of a link into no error.
func orderly(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, link.ErrClosed) {
		return nil
	}
	return err
}
