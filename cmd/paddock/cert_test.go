package main

import (
	"strings"
	"testing"
	"time"

	"paddock/internal/control"
)

func TestCertificatesAreShownWithWhatHappensNext(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var b strings.Builder
	err := printCertificates(&b, []control.Certificate{
		{Name: "a.test", Mode: "auto", Issuer: "ca-dir", NotAfter: now.Add(90 * 24 * time.Hour), RenewAt: now.Add(60 * 24 * time.Hour), Why: "its age"},
		{Name: "b.test", Mode: "auto", State: "obtaining", Failed: 2, Error: "no such host\n\x1b[2J\u009b: <p>é", NextTry: now.Add(4 * time.Minute)},
		{Name: "c.test d.test", Mode: "file", Issuer: "Own", NotAfter: now.Add(-time.Hour)},
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"a.test         auto  ca-dir  2026-04-01 00:00:00 (in 90 days)  2026-03-02 00:00:00 (in 60 days) (its age)\n",
		"b.test         auto  -       -                                 obtaining now\n",
		"b.test: failed 2 times; next try 2026-01-01 00:04:00 (in 4m0s): no such host  [2J : <p>é\n",
		"c.test d.test  file  Own     2025-12-31 23:00:00 (over)        -\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}
