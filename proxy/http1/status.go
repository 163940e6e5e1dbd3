package http1

// StatusText returns the reason that nginx writes for a status, without the
// number; "" for one that it does not know.
func StatusText(status int) string {
	if status < firstStatus || status >= firstStatus+len(statusText) {
		return ""
	}
	return statusText[status-firstStatus]
}

const firstStatus = 100

// statusText is nginx's ngx_http_status_lines, and the interim ones of RFC 9110.
var statusText = [...]string{
	100 - firstStatus: "Continue",
	101 - firstStatus: "Switching Protocols",
	103 - firstStatus: "Early Hints",
	200 - firstStatus: "OK",
	201 - firstStatus: "Created",
	202 - firstStatus: "Accepted",
	204 - firstStatus: "No Content",
	206 - firstStatus: "Partial Content",
	301 - firstStatus: "Moved Permanently",
	302 - firstStatus: "Moved Temporarily",
	303 - firstStatus: "See Other",
	304 - firstStatus: "Not Modified",
	307 - firstStatus: "Temporary Redirect",
	308 - firstStatus: "Permanent Redirect",
	400 - firstStatus: "Bad Request",
	401 - firstStatus: "Unauthorized",
	402 - firstStatus: "Payment Required",
	403 - firstStatus: "Forbidden",
	404 - firstStatus: "Not Found",
	405 - firstStatus: "Not Allowed",
	406 - firstStatus: "Not Acceptable",
	408 - firstStatus: "Request Time-out",
	409 - firstStatus: "Conflict",
	410 - firstStatus: "Gone",
	411 - firstStatus: "Length Required",
	412 - firstStatus: "Precondition Failed",
	413 - firstStatus: "Request Entity Too Large",
	414 - firstStatus: "Request-URI Too Large",
	415 - firstStatus: "Unsupported Media Type",
	416 - firstStatus: "Requested Range Not Satisfiable",
	421 - firstStatus: "Misdirected Request",
	429 - firstStatus: "Too Many Requests",
	500 - firstStatus: "Internal Server Error",
	501 - firstStatus: "Not Implemented",
	502 - firstStatus: "Bad Gateway",
	503 - firstStatus: "Service Temporarily Unavailable",
	504 - firstStatus: "Gateway Time-out",
	505 - firstStatus: "HTTP Version Not Supported",
	507 - firstStatus: "Insufficient Storage",
}
