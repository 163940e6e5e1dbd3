package proxy

import (
	"errors"

	"paddock/proxy/http1"
)

// refuse ends the request by why it failed: with a page, with nothing, or, when a
// part of an answer has gone out, by breaking the connection.
func (x *exchange) refuse(err error) {
	var r *refusal
	if !errors.As(err, &r) {
		r = &refusal{status: errInternal.status, cause: err}
	}
	if x.sent {
		x.breakOff(r)
		return
	}
	if r.silent {
		x.keepAlive = false
		x.Status = r.status
		return
	}
	if err := x.sendRefusal(r); err != nil {
		x.keepAlive = false
		x.Status = statusClientGone
	}
}

// breakOff ends a connection in the middle of an answer. The status stays what
// was sent, as in nginx. Where the client reads until the connection closes, only
// a reset tells it that bytes are missing.
func (x *exchange) breakOff(r *refusal) {
	x.keepAlive = false
	x.unread = false
	if x.untilClose && r != errClientGone {
		x.reset = true // once what came is out
	}
}

// sendRefusal answers with a page in nginx's shape.
func (x *exchange) sendRefusal(r *refusal) error {
	if r.closes() {
		x.keepAlive = false
	}
	if statusText(r.status) == "" { // nginx has no page for what it does not know
		return x.sendOwn(r, "", nil)
	}
	x.page = appendErrorPage(x.page[:0], r)
	if r.output != "" {
		x.page = appendOutputPage(x.page[:0], r)
	}
	return x.sendOwn(r, "text/html", x.page)
}

// sendPage answers with a text of the configuration.
func (x *exchange) sendPage(status int, contentType string, text []byte) error {
	return x.sendOwn(&refusal{status: x.finalStatus(status)}, contentType, text)
}

// sendOwn writes an answer of our own, head and body in one system call.
func (x *exchange) sendOwn(r *refusal, contentType string, text []byte) error {
	return x.sendReply(&reply{
		status: r.status, contentType: contentType, text: text, length: int64(len(text)),
		location: r.location, retryAfter: r.retryAfter, size: r.size, refused: r.size > 0,
	})
}

// appendErrorPage appends nginx's page: title, heading, the server's name.
func appendErrorPage(dst []byte, r *refusal) []byte {
	heading := pageTitle(r.status)
	title := heading
	if r.text != "" {
		title = heading[:len("400 ")] + r.text
	}
	dst = append(dst, "<html>\r\n<head><title>"...)
	dst = append(dst, title...)
	dst = append(dst, "</title></head>\r\n<body>\r\n<center><h1>"...)
	dst = append(dst, heading...)
	dst = append(dst, "</h1></center>\r\n"...)
	if r.text != "" {
		dst = append(dst, "<center>"+r.text+"</center>\r\n"...)
	}
	return append(dst, "<hr><center>"+serverName+"</center>\r\n</body>\r\n</html>\r\n"...)
}

// pageTitle is the heading of a page, which nginx words differently from the
// status line in two places.
func pageTitle(status int) string {
	text := statusText(status)
	switch status {
	case 302:
		text = "Found"
	case 401:
		text = "Authorization Required"
	}
	return string(http1.AppendInt(nil, int64(status))) + " " + text
}

// statusText is the reason of a status; one that nginx does not know has none.
func statusText(status int) string { return http1.StatusText(status) }
