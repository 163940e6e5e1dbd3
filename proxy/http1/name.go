package http1

import "bytes"

// nameID is a field name that this package has to know.
type nameID uint8

const (
	idOther nameID = iota
	idHost
	idContentLength
	idTransferEncoding
	idConnection
	idUpgrade
	idExpect
	idCookie
	idAuthorization
	idForwarded // the whole forwarded-for family
	idHopByHop  // dropped in both directions without more ado
	idDropped   // dropped from requests without more ado
)

// forwardedPrefix begins the names that gunicorn, uvicorn and their like believe
// to speak of the client: -For, -Proto, -Host, -Port, -Ssl, -Protocol, -Prefix, …
const forwardedPrefix = "x-forwarded-"

// identify returns the id of a name without regard to case.
func identify(name []byte) nameID {
	switch len(name) {
	case len("te"):
		return ifIs(name, "te", idHopByHop)
	case len("host"):
		return ifIs(name, "host", idHost)
	case len("proxy"): // httpoxy, CVE-2016-5385
		return ifIs(name, "proxy", idDropped)
	case len("cookie"): // and expect
		return ifIs(name, "cookie", idCookie) | ifIs(name, "expect", idExpect)
	case len("upgrade"): // and trailer
		return ifIs(name, "upgrade", idUpgrade) | ifIs(name, "trailer", idHopByHop)
	case len("forwarded"): // and x-real-ip
		return ifIs(name, "forwarded", idForwarded) | ifIs(name, "x-real-ip", idForwarded)
	case len("connection"): // and keep-alive
		return ifIs(name, "connection", idConnection) | ifIs(name, "keep-alive", idHopByHop)
	case len("x-forwarded"):
		return ifIs(name, "x-forwarded", idForwarded)
	default:
		return identifyLong(name)
	}
}

func identifyLong(name []byte) nameID {
	switch len(name) {
	case len("authorization"):
		if id := ifIs(name, "authorization", idAuthorization); id != idOther {
			return id
		}
	case len("content-length"): // and http2-settings, only ever sent to smuggle h2c
		if id := ifIs(name, "content-length", idContentLength) | ifIs(name, "http2-settings", idDropped); id != idOther {
			return id
		}
	case len("proxy-connection"):
		if id := ifIs(name, "proxy-connection", idHopByHop); id != idOther {
			return id
		}
	case len("transfer-encoding"):
		if id := ifIs(name, "transfer-encoding", idTransferEncoding); id != idOther {
			return id
		}
	case len("proxy-authorization"): // for a forward proxy, never for the app
		if id := ifIs(name, "proxy-authorization", idDropped); id != idOther {
			return id
		}
	}
	if len(name) >= len(forwardedPrefix) && lowerIs(name[:len(forwardedPrefix)], forwardedPrefix) {
		return idForwarded
	}
	return idOther
}

func ifIs(name []byte, lower string, id nameID) nameID {
	if lowerIs(name, lower) {
		return id
	}
	return idOther
}

// canBeNamed reports whether Connection may take a field of this name off the
// message. Those that frame it or say who asks may not be taken away by the peer
// (Traefik CVE-2021-32813, CVE-2024-45410).
func (id nameID) canBeNamed() bool {
	switch id {
	case idHost, idContentLength, idTransferEncoding, idCookie, idAuthorization, idForwarded:
		return false
	}
	return true
}

// nextElement cuts the first element off a comma-separated list (RFC 9110 5.6.1).
func nextElement(list []byte) (element, rest []byte) {
	element, rest, _ = bytes.Cut(list, comma)
	return trimOWS(element), rest
}

var comma = []byte{','}
