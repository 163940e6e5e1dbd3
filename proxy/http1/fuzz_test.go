package http1

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// addCases seeds a fuzz target with the hostile cases of one side.
func addCases(f *testing.F, side string) {
	for _, c := range readCases(f) {
		if c.side == side {
			f.Add(c.wire)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add(browserBytes)
	addCases(f, "request")
	f.Fuzz(func(t *testing.T, wire []byte) {
		if len(wire) > 1<<17 {
			return
		}
		whole := serve(wire, len(wire)+1)
		for _, step := range []int{1, 3} {
			if got := serve(wire, step); !sameConversation(whole, got) {
				t.Errorf("%d bytes at a time: %+v, at once: %+v", step, got, whole)
			}
		}
		for _, r := range whole.requests {
			checkForwardable(t, r)
		}
		compareWithGrammar(t, wire)
		compareWithNetHTTP(t, wire)
	})
}

// sameConversation compares all but which of two errors of one status was met
// first.
func sameConversation(a, b conversation) bool {
	return reflect.DeepEqual(a.requests, b.requests) && statusOf(a.err) == statusOf(b.err)
}

func statusOf(err error) int {
	var refused *Error
	if errors.As(err, &refused) {
		return refused.Status
	}
	if err != nil {
		return -1
	}
	return 0
}

// checkForwardable asserts that what is sent on reads as one clean request that
// means the same.
func checkForwardable(t *testing.T, seen seenRequest) {
	t.Helper()
	wire := AppendRequestLine(nil, seen.method, seen.target)
	wire = AppendField(wire, "Host", "a")
	for _, line := range seen.fields {
		name, value, _ := strings.Cut(line, ": ")
		wire = AppendField(wire, name, value)
	}
	wire = AppendEnd(wire)
	again := serve(wire, len(wire))
	if len(again.requests) != 1 || again.err != nil {
		t.Fatalf("written anew: %q: %+v", wire, again)
	}
	r := again.requests[0]
	if r.method != seen.method || r.target != seen.target || r.path != seen.path || !reflect.DeepEqual(r.fields, seen.fields) {
		t.Errorf("written anew: %+v, was %+v", r, seen)
	}
	if !strings.HasPrefix(r.path, "/") && r.target != "*" || strings.Contains(r.path, "//") || strings.Contains(r.path+"/", "/../") {
		t.Errorf("path %q is not normal", r.path)
	}
}

// compareWithGrammar asserts that a head that is accepted is one.
func compareWithGrammar(t *testing.T, wire []byte) {
	t.Helper()
	var r Request
	n, err := r.Parse(wire, nil)
	if err != nil || bytes.Contains(wire, []byte("[")) { // IPv6, which the second reading does not know
		return
	}
	if fault := secondReading(string(wire), n, &r); fault != "" {
		t.Errorf("%q: accepted, but %s", wire, fault)
	}
}

// compareWithNetHTTP asserts that net/http, where it accepts a request too, sees
// the same one.
func compareWithNetHTTP(t *testing.T, wire []byte) {
	t.Helper()
	var r Request
	if _, err := r.Parse(wire, nil); err != nil || r.Minor > 1 {
		return // net/http keeps 1.2 apart
	}
	theirs, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(wire), 1<<17))
	if err != nil {
		return
	}
	if theirs.Method != string(r.Method) || theirs.RequestURI != string(r.Target) || theirs.ProtoMinor != r.Minor {
		t.Errorf("net/http: %s %s 1.%d, here: %s %s 1.%d", theirs.Method, theirs.RequestURI, theirs.ProtoMinor, r.Method, r.Target, r.Minor)
	}
	if theirs.Host != string(r.Host) {
		t.Errorf("net/http: Host %q, here: %q", theirs.Host, r.Host)
	}
	chunked := len(theirs.TransferEncoding) == 1
	if chunked != r.Chunked || !chunked && theirs.ContentLength != max(r.ContentLength, 0) {
		t.Errorf("net/http: %v %d, here: %v %d", chunked, theirs.ContentLength, r.Chunked, r.ContentLength)
	}
	for _, f := range r.Fields {
		values := theirs.Header.Values(string(f.Name))
		if f.id == idOther && !contains(values, string(f.Value)) {
			t.Errorf("net/http: %s is %q, here: %q", f.Name, values, f.Value)
		}
	}
}

func contains(values []string, v string) bool {
	for _, have := range values {
		if strings.Trim(have, " \t") == v {
			return true
		}
	}
	return false
}

func FuzzResponse(f *testing.F) {
	f.Add([]byte(appAnswer))
	addCases(f, "response")
	f.Fuzz(func(t *testing.T, wire []byte) {
		whole, n, err := parseResponse(wire, len(wire)+1)
		for _, step := range []int{1, 3} {
			r, n2, err2 := parseResponse(wire, step)
			if n2 != n || statusOf(err2) != statusOf(err) {
				t.Fatalf("%d bytes at a time: %d, %v; at once: %d, %v", step, n2, err2, n, err)
			}
			if err == nil && (r.Status != whole.Status || r.ContentLength != whole.ContentLength || r.Chunked != whole.Chunked || len(r.Fields) != len(whole.Fields)) {
				t.Errorf("%d bytes at a time: %+v, at once: %+v", step, r, whole)
			}
		}
		if err == nil {
			checkAnswer(t, whole)
			if m := answerGrammar.FindStringSubmatch(string(wire)); m == nil || len(m[0]) != n {
				t.Errorf("%q: accepted, %d bytes; by the grammar %q", wire, n, m)
			}
		}
	})
}

// checkAnswer asserts that what goes to the client is a clean head.
func checkAnswer(t *testing.T, r *Response) {
	t.Helper()
	wire := AppendStatusLine(nil, r.Status, r.Reason)
	wire = AppendEnd(r.Fields.AppendForwardable(wire, true))
	if _, n, err := parseResponse(wire, len(wire)); err != nil || n != len(wire) {
		t.Errorf("written anew: %q: %d, %v", wire, n, err)
	}
}

func FuzzChunkReader(f *testing.F) {
	f.Add([]byte("5;a=b\r\nhello\r\n0\r\nX-A: b\r\n\r\n"))
	addCases(f, "chunk")
	f.Fuzz(func(t *testing.T, wire []byte) {
		body, used, err := readChunks(wire, len(wire)+1)
		for _, step := range []int{1, 3} {
			body2, used2, err2 := readChunks(wire, step)
			if body2 != body || used2 != used || err2 != err {
				t.Errorf("%d bytes at a time: %q, %d, %v; at once: %q, %d, %v", step, body2, used2, err2, body, used, err)
			}
		}
		if want, length, whole := secondBody(string(wire)); err == nil && (!whole || body != want || used != length) {
			t.Errorf("%q: %d bytes, body %q; want %v, %d bytes, %q", wire, used, body, whole, length, want)
		}
	})
}

func FuzzNormalPath(f *testing.F) {
	for _, path := range []string{"/", "/a//../%2e%2E/b", "/%2f%2e%2e", "/a/..;/%5c", "/%25%32%66"} {
		f.Add([]byte(path))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		normal, err := AppendNormalPath(nil, raw)
		if err != nil {
			return
		}
		if normal[0] != '/' || bytes.Contains(normal, []byte("//")) || bytes.IndexByte(normal, 0) >= 0 {
			t.Errorf("%q: %q", raw, normal)
		}
		for segment := range strings.SplitSeq(string(normal), "/") {
			if segment == "." || segment == ".." {
				t.Errorf("%q: %q", raw, normal)
			}
		}
		again, err := AppendNormalPath(nil, AppendEscapedPath(nil, normal))
		if err != nil || !bytes.Equal(again, normal) {
			t.Errorf("%q: %q, then %q, %v", raw, normal, again, err)
		}
		if isNormal(raw) && !bytes.Equal(raw, normal) {
			t.Errorf("%q counts as normal", raw)
		}
	})
}

func FuzzHost(f *testing.F) {
	for _, host := range []string{"a.test:80", "[::ffff:192.0.2.1]:1", "a..b", "[1::2::3]", "u@a"} {
		f.Add([]byte(host))
	}
	f.Fuzz(func(t *testing.T, host []byte) {
		name, port, ok := ParseHost(host)
		if !ok {
			return
		}
		if bytes.ContainsAny(host, " \t\r\n/\\@#?%,<>\"") || len(port) > 5 || len(name) == 0 {
			t.Errorf("%q: %q, %q", host, name, port)
		}
		if again, _, ok := ParseHost(name); !ok || !bytes.Equal(again, name) {
			t.Errorf("%q: name %q is no host of its own", host, name)
		}
	})
}
