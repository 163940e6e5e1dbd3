package proxy

import "net/netip"

// route finds the server by the name of the request and the location by its
// path. There is one way to match: on lower-case names and normal paths.
func (x *exchange) route() error {
	if x.inline && x.mayBeChallenge() {
		return errDetach
	}
	at := x.snap.sites[x.conn.listener.key]
	if at == nil { // the listener went with a reload; the default server of the request's first byte answers
		x.conn.listener.retired.Store(true)
	} else if s := at.names.find(x.req.HostName); s != nil {
		x.server = s
	}
	x.believe(x.server.realip)
	x.arrive()
	x.ServerName = x.server.name
	x.Host = x.hostName()
	x.keepAlive = x.mayLiveOn()
	x.place, x.stage = x.server.whole, stagePlace
	if err := x.checkSecure(); err != nil {
		return err
	}
	if x.challenged() {
		return nil
	}
	if x.server.toHTTPS && x.ForwardedProto != "https" {
		return x.redirectToHTTPS()
	}
	if x.server.answer != nil {
		return nil
	}
	return x.locate()
}

// locate finds the place of the path, or the named one that an internal redirect
// leads to, and lets it say whom it believes.
func (x *exchange) locate() error {
	x.stage = stagePlace
	err := x.findPlace()
	x.Root, x.RootPath = x.place.documentRoot()
	x.believeInPlace()
	return err
}

// findPlace sets the place. What no location matches is for the server's own root.
func (x *exchange) findPlace() error {
	if x.detour.named != nil {
		x.place, x.detour.named = x.detour.named, nil
		return nil
	}
	place, redirect := x.server.table.find(x.Path)
	if place == nil {
		x.place = x.server.whole
		if x.place.folder() == nil {
			return errNotFound
		}
		return nil
	}
	x.place = place
	if redirect {
		x.place = place.slash
	}
	if place.internal && x.detour.turns == 0 {
		return errNotFound
	}
	return nil
}

// hostName is $host: the name that was asked for, else the server's own.
func (x *exchange) hostName() []byte {
	switch {
	case len(x.req.HostName) > 0:
		return x.req.HostName
	case x.server.name != "":
		return x.server.hostName
	}
	return x.conn.listener.hostName
}

// mayLiveOn reports whether the connection may carry another request.
func (x *exchange) mayLiveOn() bool {
	return x.req.KeepAlive && x.server.keepaliveTimeout > 0 &&
		x.conn.requests < x.server.keepaliveRequests &&
		!x.conn.listener.retired.Load()
}

// fallback returns the default server of a listener. A listener that the
// snapshot no longer has keeps the last one it had.
func (s *snapshot) fallback(l *listener) *server {
	if at := s.sites[l.key]; at != nil {
		return at.fallback
	}
	return l.last.Load()
}

// listenerHost is the host of a listener for requests that name none.
func listenerHost(addr netip.AddrPort) []byte {
	if !addr.IsValid() || addr.Addr().IsUnspecified() {
		return []byte("localhost")
	}
	if addr.Addr().Is6() {
		return []byte("[" + addr.Addr().String() + "]")
	}
	return []byte(addr.Addr().String())
}
