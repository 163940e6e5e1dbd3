package proxy

import "time"

// bodyDeadline is when the next bytes of the body have to be there: after
// client_body_timeout. With client_body_min_rate the body has that time in all, and
// a second more for each so many bytes that have come (as Apache's
// RequestReadTimeout body=…,MinRate=…).
func (x *exchange) bodyDeadline() time.Time {
	next := x.until(x.place.bodyTimeout)
	rate := x.place.bodyMinRate
	if rate == 0 {
		return next
	}
	earned := time.Duration(float64(x.body.size) / float64(rate) * float64(time.Second))
	if due := x.body.begun.Add(x.place.bodyTimeout + earned); due.Before(next) {
		return due
	}
	return next
}
