package proxy

// serve answers one request whose head has been read: the steps, in their order.
// A step that fails returns why as an error, and end answers the client by it.
func (x *exchange) serve() error {
	if err := x.route(); err != nil {
		return err
	}
	if x.place.answer != nil {
		return x.giveReturn(x.place.answer)
	}
	if err := x.refuseEarly(); err != nil {
		return err
	}
	if err := x.readBody(); err != nil {
		return err
	}
	if err := x.enter(); err != nil {
		return err
	}
	if err := x.call(); err != nil {
		return err
	}
	if x.switched() {
		return x.tunnel()
	}
	return x.relay()
}
