package accesslog

import (
	"strconv"
	"strings"
	"time"
)

// defaultProxyPort is the port of a proxy_pass that names none.
const defaultProxyPort = "80"

// tries prints one value for each try, joined by ", "; tries on the two sides of
// an internal redirect, which is a Try without Addr, are joined by " : ".
// Without any try the variable is missing.
func tries(one func(dst []byte, t *Try) []byte) variable {
	return func(dst []byte, e *Entry) ([]byte, bool) {
		for i := range e.Upstream {
			t := &e.Upstream[i]
			switch {
			case t.Addr == "":
				dst = append(dst, " : "...)
				continue
			case i > 0 && e.Upstream[i-1].Addr != "":
				dst = append(dst, ", "...)
			}
			dst = one(dst, t)
		}
		return dst, len(e.Upstream) > 0
	}
}

func appendAddr(dst []byte, t *Try) []byte { return append(dst, t.Addr...) }

func appendStatus(dst []byte, t *Try) []byte {
	if t.Status == 0 {
		return append(dst, '-')
	}
	return strconv.AppendInt(dst, int64(t.Status), 10)
}

func appendTime(dst []byte, d time.Duration) []byte {
	if d < 0 {
		return append(dst, '-')
	}
	return appendSeconds(dst, d)
}

func proxyHost(dst []byte, e *Entry) ([]byte, bool) {
	return append(dst, e.ProxyHost...), e.ProxyHost != ""
}

// proxyPort is empty for "http://unix:/path", whose $proxy_host is "localhost".
func proxyPort(dst []byte, e *Entry) ([]byte, bool) {
	if e.ProxyHost == "" {
		return dst, false
	}
	if e.ProxyHost == "localhost" && len(e.Upstream) > 0 && strings.HasPrefix(e.Upstream[0].Addr, "unix:") {
		return dst, true
	}
	i := strings.LastIndexByte(e.ProxyHost, ':')
	if i < 0 || strings.HasSuffix(e.ProxyHost, "]") {
		return append(dst, defaultProxyPort...), true
	}
	return append(dst, e.ProxyHost[i+1:]...), true
}

// forwardedFor falls back to the peer alone: what a request claims of itself is
// for the proxy to judge, not for a log.
func forwardedFor(dst []byte, e *Entry) ([]byte, bool) {
	if len(e.ForwardedFor) == 0 && e.Conn != nil {
		return append(dst, e.Conn.RemoteAddr...), true
	}
	return append(dst, e.ForwardedFor...), true
}
