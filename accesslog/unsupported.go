package accesslog

import (
	"fmt"
	"strings"
)

// unsupported are nginx's variables that have no value here, each with the reason:
// a configuration that names one is told why, instead of logging "-" for ever.
var unsupported = map[string]string{
	"nginx_version":         "Paddock is not nginx",
	"request_body_file":     "the temporary file of a request body has no name",
	"limit_rate":            "the rate of an answer is not limited (nginx: limit_rate)",
	"upstream_cache_status": "answers are not cached (nginx: proxy_cache)",
	"limit_conn_status":     "connections are not limited by a key (nginx: limit_conn)",
	"ssl_session_id":        "Go's TLS does not tell the ids of sessions",
	"ssl_ciphers":           "what a client offers is not kept",
	"ssl_curves":            "what a client offers is not kept",
	"ssl_sigalg":            "Go's TLS does not tell the algorithm of signatures",
	"ssl_sigalgs":           "what a client offers is not kept",
	"ssl_client_sigalg":     "Go's TLS does not tell the algorithm of signatures",
	"ssl_client_cert":       "nginx has it for old configurations: use $ssl_client_escaped_cert",
	"slice_range":           "requests are not sliced (nginx: slice)",
	"invalid_referer":       "referers are not checked (nginx: valid_referers)",
	"modern_browser":        "browsers are not told apart (nginx: modern_browser)",
	"ancient_browser":       "browsers are not told apart (nginx: ancient_browser)",
	"msie":                  "browsers are not told apart (nginx: the browser module)",
	"uid_got":               "no cookies are given out (nginx: userid)",
	"uid_set":               "no cookies are given out (nginx: userid)",
	"uid_reset":             "no cookies are given out (nginx: userid)",
	"date_local":            "it is of server-side includes (nginx: ssi)",
	"date_gmt":              "it is of server-side includes (nginx: ssi)",
	"memcached_key":         "memcached is not asked (nginx: memcached_pass)",
	"secure_link":           "links are not signed (nginx: secure_link)",
	"secure_link_expires":   "links are not signed (nginx: secure_link)",
	"connections_active":    "it is a figure of the whole server: see [metrics] (nginx: stub_status)",
	"connections_reading":   "it is a figure of the whole server: see [metrics] (nginx: stub_status)",
	"connections_writing":   "it is a figure of the whole server: see [metrics] (nginx: stub_status)",
	"connections_waiting":   "it is a figure of the whole server: see [metrics] (nginx: stub_status)",
}

// unsupportedFamilies are the same by the beginning of the name.
var unsupportedFamilies = []struct{ prefix, reason string }{
	{"sent_trailer_", "answers are sent without trailers"},
	{"upstream_trailer_", "trailers of an upstream are not kept"},
	{"proxy_protocol_tlv_", "of the PROXY protocol only the addresses are read"},
	{"geoip_", "no address database is read (nginx: geoip)"},
	{"geoip2_", "no address database is read"},
	{"fastcgi_", "FastCGI is not spoken (nginx: fastcgi_pass)"},
	{"jwt_", "tokens are not checked (nginx: auth_jwt)"},
}

// unknown says why a name, as it was written, has no variable.
func unknown(name string, at int) error {
	lower := strings.ToLower(name)
	reason, ok := unsupported[lower]
	for _, f := range unsupportedFamilies {
		if !ok && strings.HasPrefix(lower, f.prefix) && lower != f.prefix {
			reason, ok = f.reason, true
		}
	}
	if !ok && isCapture(lower) {
		reason, ok = "captures of regular expressions are not kept", true
	}
	if ok {
		return fmt.Errorf("$%s at byte %d is not supported: %s", name, at+1, reason)
	}
	return fmt.Errorf("unknown variable $%s at byte %d; expected one of nginx's, such as $remote_addr, $status or $http_NAME", name, at+1)
}

func isCapture(name string) bool { return strings.Trim(name, "0123456789") == "" }
