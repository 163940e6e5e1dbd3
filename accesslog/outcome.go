package accesslog

// Refusal is why a request got no answer of an app or a file: what the status
// alone does not tell. 0: it was not refused.
type Refusal uint8

// The reasons of a refusal.
const (
	RefusedQueueFull    Refusal = iota + 1 // queue_size requests waited already
	RefusedQueueTimeout                    // it waited for queue_timeout
	RefusedAppDown                         // the app is in back-off, has failed for good, or is stopped
	RefusedBodySize                        // client_max_body_size
	RefusedHeaderSize                      // a head, a line or a field of it too large
	RefusedBadRequest                      // malformed, or of a kind that is not served
	RefusedSlowClient                      // client_header_timeout, client_body_timeout
	RefusedDiskFull                        // no room for its body in a temporary file
	RefusedLimit                           // limit_req
	RefusedPassword                        // auth_basic: too many passwords wait to be checked
	ClientGone                             // no refusal of ours: the client left
	Refusals                               // how many there are, with 0
)

var refusalNames = [Refusals]string{
	"", "queue_full", "queue_timeout", "app_down", "body_size", "header_size", "bad_request", "client_timeout", "disk_full", "limit_req", "password_queue", "client_gone",
}

// String returns the name of the reason as metrics have it; "" for none.
func (r Refusal) String() string { return refusalNames[r] }

// Failure is why a [Try] brought no whole answer. 0: it did, or nobody waited
// for one any more.
type Failure uint8

// The reasons of a failed try.
const (
	FailedConnect     Failure = iota + 1 // nobody listens, or no way there
	FailedTimeout                        // proxy_connect_timeout, proxy_send_timeout, proxy_read_timeout
	FailedReset                          // the connection was reset
	FailedEOF                            // the connection ended in front of the answer or inside it
	FailedBadResponse                    // what came is no HTTP answer
	Failures                             // how many there are, with 0
)

var failureNames = [Failures]string{"", "connect", "timeout", "reset", "eof", "bad_response"}

// String returns the name of the reason as metrics have it; "" for none.
func (f Failure) String() string { return failureNames[f] }

// LimitStatus is what limit_req made of a request. 0: there is none.
type LimitStatus uint8

// The values of $limit_req_status.
const (
	LimitPassed LimitStatus = iota + 1
	LimitDelayed
	LimitRejected
	LimitDelayedDryRun
	LimitRejectedDryRun
)

var limitNames = [...]string{"", "PASSED", "DELAYED", "REJECTED", "DELAYED_DRY_RUN", "REJECTED_DRY_RUN"}

// String returns nginx's word.
func (l LimitStatus) String() string { return limitNames[l] }
