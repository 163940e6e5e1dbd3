package supervisor

import (
	"testing"
	"testing/synctest"
)

func TestOnlyAnAppThatShowsItsOutputTellsTheFrontItsLastLines(t *testing.T) {
	for show, want := range map[bool]string{true: "line of 1000", false: ""} {
		onStage(t, func(t *testing.T, s *stage) {
			s.front.probe = never
			spec := testApp()
			spec.ShowOutput, spec.Startretries = show, 0
			s.web(t, spec)
			if got := s.front.last(); got.State != AppStarting || got.Output != "" {
				t.Errorf("while it starts: %+v", got)
			}
			s.host.child(0).end(Exit{Code: 3})
			synctest.Wait()
			if got := s.front.last(); got.State != AppFatal || got.Output != want {
				t.Errorf("show %v: %+v, want output %q", show, got, want)
			}
			if n := s.host.count(); n != 1 {
				t.Errorf("%d tries; want one, with startretries = 0", n)
			}
			// A restart begins at once, whatever went wrong before.
			go s.Restart(t.Context(), "web")
			synctest.Wait()
			if got := s.front.last(); got.State != AppStarting || got.Output != "" || s.host.count() != 2 {
				t.Errorf("after the restart: %+v, %d starts", got, s.host.count())
			}
		})
	}
}
