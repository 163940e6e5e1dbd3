package proxy

// serve answers one request whose head has been read. An internal redirect (index,
// try_files, error_page, X-Accel-Redirect) takes it to another place.
func (x *exchange) serve() error {
	err := x.begun()
	for {
		if err == nil {
			err = x.handle()
		}
		if waits(err) {
			return err
		}
		reason := err
		if err = x.redirect(reason); err != errTurned {
			return x.later(err, reason)
		}
		err = x.locate()
	}
}

// begun finds the place of a new request, or why one that goes on is refused.
func (x *exchange) begun() error {
	switch x.stage {
	case stageRoute:
		if x.inline && x.snap.waits {
			return errDetach
		}
		return x.route()
	case stageSettle:
		return x.refused
	}
	return nil
}

// later notes why a request is refused, when the refusal has to wait for its body.
func (x *exchange) later(err, reason error) error {
	if waits(err) {
		x.stage, x.refused = stageSettle, reason
	}
	return err
}

// handle answers at one place: the steps, in their order, from the stage on that the
// request has come to. A step that fails returns why as an error, and finish answers the
// client by it; one that would wait, where nobody may, is taken again later.
func (x *exchange) handle() error {
	switch x.stage {
	case stagePlace:
		if x.proof != "" {
			return x.sendPage(200, "application/octet-stream", []byte(x.proof))
		}
		if x.inline && !x.simple() {
			return errDetach
		}
		if x.place.answer != nil {
			return x.giveReturn(x.place.answer)
		}
		if err := x.limit(); err != nil {
			return err
		}
		if err := x.authenticate(); err != nil {
			return err
		}
		if err := x.tryFiles(); err != nil {
			return err
		}
		if x.place.pass == nil {
			return x.serveFile()
		}
		if err := x.refuseEarly(); err != nil {
			return err
		}
		x.stage = stageBody
		fallthrough
	case stageBody:
		if x.streams() {
			if err := x.startStream(); err != nil {
				return err
			}
		} else if err := x.readBody(); err != nil {
			return err
		}
		fallthrough
	case stageQueue:
		if err := x.enter(); err != nil {
			return err
		}
		fallthrough
	case stageCall:
		if err := x.call(); err != nil {
			return err
		}
		if x.switched() {
			return x.tunnel()
		}
		if err := x.divert(); err != nil {
			return err
		}
		if err := x.startRelay(); err != nil {
			return err
		}
		fallthrough
	default:
		return x.relay()
	}
}
