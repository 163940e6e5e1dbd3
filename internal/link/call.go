package link

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

// Refused is the error of a call that the other side answered with an error.
type Refused struct {
	Type string // of the request
	Text string // what the other side said
}

// Error returns what the other side said.
func (e *Refused) Error() string { return e.Text }

// Call sends a request and waits for its answer, which [Conn.Serve], running in
// another goroutine, hands over. It fails with [*Refused] when the other side says no,
// with the context's error when that ends first (a late answer is then dropped),
// and with the connection's when it closes.
func (c *Conn) Call(ctx context.Context, typ string, body any, files ...*os.File) (Message, error) {
	id, answer := c.register()
	defer c.forget(id)
	if err := c.Send(typ, id, body, files...); err != nil {
		return Message{}, err
	}
	select {
	case m := <-answer:
		return accept(typ, m)
	case <-ctx.Done():
		return Message{}, fmt.Errorf("link: %s: %w", typ, ctx.Err())
	case <-c.done:
	}
	select {
	case m := <-answer: // it came just before the end
		return accept(typ, m)
	default:
		return Message{}, fmt.Errorf("link: %s: no answer: %w", typ, c.failure())
	}
}

func accept(typ string, m Message) (Message, error) {
	if m.Error != "" {
		return m, &Refused{Type: typ, Text: m.Error}
	}
	return m, nil
}

// Reply answers a request: with err's text when err is not nil, else with body
// (nil for none). A message that expects no answer gets none.
func (c *Conn) Reply(to Message, body any, err error) error {
	if to.ID == 0 {
		return nil
	}
	answer := Message{Type: TypeReply, ID: to.ID}
	switch {
	case err != nil:
		answer.Error = refusalText(err)
	case body != nil:
		raw, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("link: answer to %s: %w", to.Type, err)
		}
		answer.Body = raw
	}
	return c.send(answer, nil)
}

// Refuse answers a request of a type that the handler does not know.
func (c *Conn) Refuse(m Message) error {
	return c.Reply(m, nil, fmt.Errorf("unknown message %q", m.Type))
}

// refusalText is never empty, as an empty one would read as success, and always
// fits into a message.
func refusalText(err error) string {
	const longest = 64 << 10
	text := err.Error()
	if text == "" {
		return "refused"
	}
	return text[:min(len(text), longest)]
}

// Serve reads until the connection ends and returns why: io.EOF when the other side
// closed or died, [ErrClosed] after Close. Answers go to the calls that wait for them,
// everything else to handle, one after the other in the order of arrival and on this
// goroutine: a handler must not wait for a Call of its own, or for anything long.
//
// The files are closed when handle returns; it keeps them with [Take].
func (c *Conn) Serve(handle func(Message, []*os.File)) error {
	for {
		m, files, err := c.Receive()
		if err != nil {
			return err
		}
		if m.Type == TypeReply {
			c.deliver(m)
		} else {
			handle(m, files)
		}
		CloseAll(files)
	}
}

func (c *Conn) register() (uint64, chan Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	answer := make(chan Message, 1) // so that the reader never waits for a caller
	c.calls[c.last] = answer
	return c.last, answer
}

func (c *Conn) forget(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, id)
}

// deliver hands an answer to its call. One that nobody waits for any more, or a
// second one, is dropped.
func (c *Conn) deliver(m Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer, ok := c.calls[m.ID]; ok {
		answer <- m
		delete(c.calls, m.ID)
	}
}
