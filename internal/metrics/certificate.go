package metrics

import "time"

// Certificate is one certificate at a scrape. Zero times are not known.
type Certificate struct {
	Name, Mode                   string
	NotBefore, NotAfter, RenewAt time.Time
	Obtained, Failed             int // orders since the proxy started
	Failing                      bool
}

func (s series) certificate(c Certificate) {
	for f, at := range map[*family]time.Time{certNotBefore: c.NotBefore, certNotAfter: c.NotAfter, certRenewal: c.RenewAt} {
		if !at.IsZero() {
			s.gauge(f, float64(at.Unix()), c.Name, c.Mode)
		}
	}
	if c.RenewAt.IsZero() && c.Obtained+c.Failed == 0 && !c.NotAfter.IsZero() {
		return // a file: nothing is ordered for it
	}
	s.counter(certResults, uint64(c.Obtained), c.Name, c.Mode, "success")
	s.counter(certResults, uint64(c.Failed), c.Name, c.Mode, "failure")
	s.flag(certFailing, c.Failing, c.Name, c.Mode)
}
