package accesslog

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"
)

func TestOwnJSONHasStableNamesAndTypes(t *testing.T) {
	const want = `{"time":"2026-03-09T14:05:07.358+02:00","remote_addr":"192.0.2.1","remote_port":50000,"remote_user":null,` +
		`"connection":42,"connection_requests":3,"scheme":"http","host":"www.example.com","server_name":"example.com",` +
		`"request":"GET /a%20b/?Q=1&q=2&x HTTP/1.1","method":"GET","uri":"/a%20b/?Q=1&q=2&x","path":"/a b/","protocol":"HTTP/1.1",` +
		`"referer":"","user_agent":"curl/7.88.1","forwarded_for":null,"request_id":"ab000000000000000000000000000001","request_length":77,` +
		`"status":200,"bytes_sent":700,"body_bytes_sent":512,"request_time":1.234,"queue_time":0.250,"completed":true,"refused":null,` +
		`"upstream":[{"addr":"unix:none.sock","status":502,"connect_time":null,"header_time":null,"response_time":0.000,"response_length":0,` +
		`"bytes_received":0,"bytes_sent":0,"failed":"connect"},{"addr":"10.0.0.5:8000","status":null,"connect_time":0.000,"header_time":0.003,` +
		`"response_time":0.004,"response_length":2,"bytes_received":90,"bytes_sent":80,"failed":null}]}`
	e := usualEntry()
	e.Queued = 250 * time.Millisecond
	e.Upstream[0].Failed = FailedConnect
	if got := string(NewOwnJSON().Append([]byte("before "), e)); got != "before "+want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	const raw = `{"time":"2026-03-09T14:05:06.123+02:00","remote_addr":"192.0.2.1","remote_port":50000,"remote_user":null,` +
		`"connection":42,"connection_requests":0,"scheme":"http","host":"example.com","server_name":"example.com",` +
		`"request":"\u0016\u0003\u0001","method":null,"uri":null,"path":null,"protocol":null,"referer":null,"user_agent":null,` +
		`"forwarded_for":null,"request_id":"00000000000000000000000000000000","request_length":0,"status":400,"bytes_sent":150,` +
		`"body_bytes_sent":50,"request_time":0.000,"queue_time":null,"completed":false,"refused":"bad_request","upstream":[]}`
	r := rawEntry()
	r.HasID, r.Refused = true, RefusedBadRequest
	if got := string(NewOwnJSON().Append(nil, r)); got != raw {
		t.Errorf("got\n%s\nwant\n%s", got, raw)
	}
	if got := NewOwnJSON().Append(nil, &Entry{}); !json.Valid(got) {
		t.Errorf("an empty entry: %s", got)
	}
}

func FuzzOwnJSONIsValidWhateverWasSent(f *testing.F) {
	f.Add([]byte("GET /\xff\"\\\x00\x7f\xe2\x80\xa8 HTTP/1.1"), []byte("\xc3\x28\xed\xa0\x80\n"))
	f.Fuzz(func(t *testing.T, line, agent []byte) {
		e := usualEntry()
		e.Line, e.Path = line, agent
		e.Request = fields{"User-Agent", string(agent), "Authorization", string(line)}
		got := NewOwnJSON().Append(nil, e)
		if !utf8.Valid(got) || !json.Valid(got) {
			t.Errorf("got %q", got)
		}
	})
}

func TestOwnJSONAllocatesNothing(t *testing.T) {
	f, e, buf := NewOwnJSON(), usualEntry(), make([]byte, 0, 4096)
	e.Line = []byte("GET /\xc3\xa9\xff HTTP/1.1")
	if n := testing.AllocsPerRun(100, func() { f.Append(buf, e) }); n > 0 {
		t.Errorf("%v allocations a line", n)
	}
}
