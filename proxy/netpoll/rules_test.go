package netpoll

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// rules are what a poller must keep to, each a trap that a prototype fell into, with the tests that show it.
var rules = []struct {
	rule  string
	tests []string
}{
	{"ready is cleared before the read; after a hang-up a read is a real one", []string{"TestShortReadProvesTheSocketEmpty", "TestShortReadAfterHangupLooksAgain", "TestQuietTellsWhetherAConnectionMayBeUsedAgain"}},
	{"one state word for each direction; who removes a waiter wakes it once", []string{"TestEachWaitIsResumedOnce", "TestDisarmAndAnEventExcludeEachOther", "TestSecondReaderIsRefused"}},
	{"a socket object is not used again; a late event reaches nobody", []string{"TestLateEventDoesNotReachTheNextOwner", "TestEveryByteReachesItsOwner"}},
	{"only the owner closes; poller and sweeper wake", []string{"TestCloseEndsPendingRead", "TestInterruptFailsPendingAndLaterCalls", "TestHangupMayCloseAndInterrupt"}},
	{"deadlines are looked at behind the parking, read and write apart", []string{"TestDeadlineSetWhileParkedEndsTheWait", "TestNewDeadlineMakesReadWorkAgain", "TestReadDeadlineLeavesWritesAlone", "TestHeaderTimeoutIsNotResetByEachByte"}},
	{"a listener accepts until nobody is left, and outlives a want of descriptors", []string{"TestBurstIsAcceptedToTheLast", "TestListenerWaitsForDescriptors", "TestListenerEndsWhenItsSocketIsShutDown"}},
	{"descriptors are non-blocking", []string{"TestTryCallsDoNotWait", "TestClosedListenerLeavesTheSocketOpen"}},
	{"epoll may refuse; writes register late; a full backlog does not end a dial", []string{"TestRefusedRegistrationIsAnErrorOfTheConnection", "TestUnixSocketStopsReportingRoomAfterTheWrite", "TestDialWaitsForRoomInTheBacklog", "TestTryDialDoesNotWaitForABacklog"}},
	{"inline code does not wait and gives way", []string{"TestArmedConnectionIsServedOnTheLoop", "TestPollerLeavesAConnectionWhoseNextRequestIsAlwaysThere", "TestClientThatTakesNothingKeepsNoReadWaiting", "TestLogBehindAStalledReaderNeverHoldsItsWriterUp"}},
	{"TLS: whole records, one write for an answer, no buffer when idle, handshakes apart", []string{"TestConnCarriesTLS", "TestAnswerIsFewRecords", "TestIdleSecureConnectionHoldsNoGoroutineAndLittleMemory", "TestStalledHandshakesEndInTime"}},
	{"idle connections to an app stay armed", []string{"TestIdleConnectionThatItsServerEndsIsClosedAtOnce", "TestBytesOnAnIdleConnectionAreNobodysAnswer"}},
	{"a parked goroutine waits on a channel of size 1, which the race detector sees", []string{"TestEveryByteReachesItsOwner", "TestClosedPollerLeavesNoGoroutine"}},
}

var testName = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)

func TestEachRuleOfThePollerHasItsTests(t *testing.T) {
	known := map[string]bool{}
	for _, folder := range []string{".", "..", "../../internal/logfile"} {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range testName.FindAllSubmatch(text, -1) {
				known[string(m[1])] = true
			}
		}
	}
	for _, r := range rules {
		for _, name := range r.tests {
			if !known[name] {
				t.Errorf("%q: there is no %s", r.rule, name)
			}
		}
	}
}
