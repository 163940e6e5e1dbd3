package metrics

import "github.com/prometheus/client_golang/prometheus"

// family is one metric with all its series. docs/metrics.md is made of these.
type family struct {
	name   string
	kind   string // "counter", "gauge" or "histogram"
	labels []string
	help   string
	desc   *prometheus.Desc
}

// families are all, in the order of the documentation.
var families []*family

func define(name, kind, help string, labels ...string) *family {
	f := &family{name: "paddock_" + name, kind: kind, labels: labels, help: help}
	f.desc = prometheus.NewDesc(f.name, f.help, f.labels, nil)
	families = append(families, f)
	return f
}

// Of requests.
var (
	httpRequests = define("http_requests_total", "counter",
		`Requests that have ended, refused ones included. code is 100 to 599, or "other": nothing was sent.`, "site", "method", "code")
	httpDuration = define("http_request_duration_seconds", "histogram",
		"From the first byte of a request to the last byte of its answer.", "site")
	httpRequestBytes = define("http_request_bytes_total", "counter",
		"Bytes of requests: line, head and body.", "site")
	httpResponseBytes = define("http_response_bytes_total", "counter",
		"Bytes of answers: head and body.", "site")
	httpInFlight = define("http_requests_in_flight", "gauge",
		"Requests whose head was read and whose answer has not ended.", "site")
	httpAborts = define("http_client_aborts_total", "counter",
		"Clients that left before they had their answer (499).", "site")
	httpRejected = define("http_rejected_total", "counter",
		"Requests that were refused before any app saw them, by reason.", "site", "reason")
	httpConnections = define("http_connections", "gauge",
		"Client connections: reading a head, writing (a request is under way), or waiting for a request.", "state")
	httpAccepted = define("http_connections_accepted_total", "counter",
		"Client connections that were accepted.")
	bufferedBytes = define("buffered_bytes", "gauge",
		"Bytes of request bodies in temporary files.", "kind")
)

// Of apps and upstreams, as the proxy sees them.
var (
	upstreamRequests = define("upstream_requests_total", "counter",
		`Attempts by status; 502 and 504 also stand for no answer, "other" for a client that left first.`, "upstream", "code")
	upstreamConnect = define("upstream_connect_duration_seconds", "histogram",
		"From the start of an attempt until it was connected.", "upstream")
	upstreamHeader = define("upstream_header_duration_seconds", "histogram",
		"From the start of an attempt until the head of the answer was there.", "upstream")
	upstreamErrors = define("upstream_errors_total", "counter",
		"Attempts that brought no whole answer, by reason.", "upstream", "reason")
	upstreamRetries = define("upstream_retries_total", "counter",
		"Attempts after the first of a request.", "upstream")
	upstreamUp = define("upstream_up", "gauge",
		"1 while the app takes requests.", "upstream")
	upstreamInFlight = define("upstream_requests_in_flight", "gauge",
		"Requests that the app or upstream has.", "upstream")
	upstreamLimit = define("upstream_limit", "gauge",
		"Requests that it gets at once; 0: any number.", "upstream")
	queueLength = define("queue_length", "gauge",
		"Requests that wait for their turn.", "upstream")
	queueLimit = define("queue_limit", "gauge",
		"Requests that may wait (queue_size).", "upstream")
	queueWait = define("queue_wait_duration_seconds", "histogram",
		"Time in the queue, of all requests that came to it; those let through at once count as 0.", "upstream")
)

// Of processes. An app counts with all its generations and all that they started.
var (
	processUp = define("process_up", "gauge",
		"1 in the state RUNNING.", "kind", "name")
	processState = define("process_state", "gauge",
		"1 for the state that it is in, 0 for the others.", "kind", "name", "state")
	processStart = define("process_start_time_seconds", "gauge",
		"Start of the process there is, Unix time; missing when there is none.", "kind", "name")
	processRestarts = define("process_restarts_total", "counter",
		"Starts after the first one, by reason.", "kind", "name", "reason")
	processExits = define("process_exits_total", "counter",
		`Ends, by exit code, or the signal that ended it ("SIGKILL").`, "kind", "name", "code")
	processBackoff = define("process_backoff_seconds", "gauge",
		"Time until the next try; 0 when it is not in BACKOFF.", "kind", "name")
	processCount = define("process_processes", "gauge",
		"Processes, with all that they started.", "kind", "name")
	processRSS = define("process_resident_memory_bytes", "gauge",
		"Resident memory; what several share is counted for each.", "kind", "name")
	processCPU = define("process_cpu_seconds_total", "counter",
		"User and system time.", "kind", "name")
	processFiles = define("process_open_fds", "gauge",
		"Open file descriptors.", "kind", "name")
	processDropped = define("process_output_dropped_bytes_total", "counter",
		"Output that its log files did not take.", "kind", "name")
	appGeneration = define("app_generation", "gauge",
		"The generation that serves; 0: none.", "app")
	deploys = define("deploys_total", "counter",
		"Deploys that have ended, by result.", "app", "result")
	deployDuration = define("deploy_duration_seconds", "histogram",
		"Deploys that succeeded: from the start of the new generation to the end of the old one.", "app")
)

// Of certificates. mode is auto, internal or file; name is the one that it was ordered for, of a file
// the names of its server.
var (
	certNotBefore = define("certificate_not_before_seconds", "gauge",
		"When the certificate that is served became valid, Unix time; missing when there is none.", "name", "mode")
	certNotAfter = define("certificate_not_after_seconds", "gauge",
		"When it ends, Unix time.", "name", "mode")
	certRenewal = define("certificate_renewal_seconds", "gauge",
		"When it is to be renewed, Unix time; of a file: missing.", "name", "mode")
	certResults = define("certificate_orders_total", "counter",
		"Orders and renewals that have ended, by result: success or failure.", "name", "mode", "result")
	certFailing = define("certificate_last_order_failed", "gauge",
		"1 when the last order or renewal failed; `paddock cert list` says why.", "name", "mode")
)

// Of logs, the configuration and Paddock itself.
var (
	logLines = define("log_lines_total", "counter",
		"Access lines that were written, or wait to be.", "log")
	logDropped = define("log_dropped_lines_total", "counter",
		"Access lines that the file did not take.", "log")
	configOK = define("config_last_reload_successful", "gauge",
		"1 when the last reload did, or there was none.")
	configTime = define("config_last_reload_success_timestamp_seconds", "gauge",
		"Time of the last good reload, or of the start, Unix time.")
	configReloads = define("config_reloads_total", "counter",
		"Reloads, by result.", "result")
	buildInfo = define("build_info", "gauge",
		"Always 1; the labels tell the version of Paddock and of Go.", "version", "goversion")
	keeperUp = define("keeper_up", "gauge",
		"1 when the keeper answered within a second; without its answer the series of processes, deploys and reloads are missing.")
)
