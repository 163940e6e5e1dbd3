package proxy

import (
	"encoding/base64"

	"paddock/proxy/http1"
)

const webSocket = "websocket"

// asksForWebSocket reports whether a request is the opening handshake of RFC 6455
// (4.2.1). Every other wish for an upgrade, above all h2c, is left out of what the
// app gets, which is free to answer as if there were none (RFC 9110 7.8).
func asksForWebSocket(r *http1.Request) bool {
	return isField(r.Upgrade, webSocket) && string(r.Method) == "GET" && r.Minor > 0 &&
		!r.HasBody() && isKey(only(r.Fields, "sec-websocket-key")) && isVersion(only(r.Fields, "sec-websocket-version"))
}

// only returns the value of a field that stands there once, else nil.
func only(fields http1.Fields, lower string) (value []byte) {
	for i := range fields {
		if !isField(fields[i].Name, lower) {
			continue
		}
		if value != nil {
			return nil
		}
		value = fields[i].Value
	}
	return value
}

// isKey reports whether a Sec-WebSocket-Key is the base64 of 16 bytes.
func isKey(key []byte) bool {
	var nonce [18]byte
	if len(key) != base64.StdEncoding.EncodedLen(16) {
		return false
	}
	n, err := base64.StdEncoding.Decode(nonce[:], key)
	return err == nil && n == 16
}

// isVersion reports whether a Sec-WebSocket-Version is a number below 256. Which
// ones it speaks is the app's to say.
func isVersion(text []byte) bool {
	n, ok := parsePort(text)
	return ok && n < 256
}

// switched reports whether the app's answer makes the connection a tunnel: a 101 to
// what was asked for. Any other 101 is no answer.
func (x *exchange) switched() bool {
	a := &x.try.answer
	return x.upgrade && a.Status == 101 && isField(a.Upgrade, webSocket)
}

// appendUpgrade ends the fields of both sides' handshake, as nginx writes them.
func appendUpgrade(dst []byte) []byte {
	dst = http1.AppendField(dst, "Connection", "upgrade")
	return http1.AppendField(dst, "Upgrade", webSocket)
}
