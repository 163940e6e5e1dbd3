package proxy

// serve answers one request whose head has been read. An internal redirect (index,
// try_files, error_page, X-Accel-Redirect) takes it to another place.
func (x *exchange) serve() error {
	var err error
	if x.stage == stageRoute {
		err = x.route()
	}
	for {
		if err == nil {
			err = x.handle()
		}
		if waits(err) {
			return err
		}
		if err = x.redirect(err); err != errTurned {
			return err
		}
		err = x.locate()
	}
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
		if err := x.tryFiles(); err != nil {
			return err
		}
		if x.place.pass == nil {
			return x.serveFile()
		}
		if err := x.refuseEarly(); err != nil {
			return err
		}
		if err := x.readBody(); err != nil {
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
