package http1

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The tests of this file change one place of a good message in every way that they
// can think of, and compare what is accepted with a second reading of the grammar
// that shares nothing with the first: regular expressions over the whole message.

// oddBytes are those that some reader somewhere takes for something else.
var oddBytes = func() (odd []string) {
	for c := range 0x21 {
		odd = append(odd, string([]byte{byte(c)}))
	}
	for _, c := range []byte("\x7f\x80\x85\xa0\xc2\xff!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~09AZaz") {
		odd = append(odd, string([]byte{c}))
	}
	return odd
}()

// mutants calls f with every form of seed that differs from it in one place, and
// with many that differ in two or three.
func mutants(seed string, pieces []string, f func(string)) {
	f(seed)
	random := rand.New(rand.NewPCG(uint64(len(seed)), 1))
	for range 5000 {
		text := seed
		for range 2 + random.IntN(2) {
			i := random.IntN(len(text) + 1)
			cut := min(i+random.IntN(3), len(text))
			text = text[:i] + pieces[random.IntN(len(pieces))] + text[cut:]
		}
		f(text)
	}
	for i := range len(seed) + 1 {
		for _, odd := range pieces {
			f(seed[:i] + odd + seed[i:])
			if i < len(seed) {
				f(seed[:i] + odd + seed[i+1:])
			}
		}
		for _, n := range []int{1, 2, 4} {
			if i+n <= len(seed) {
				f(seed[:i] + seed[i+n:])
				f(seed[:i+n] + seed[i:])
			}
		}
	}
}

const (
	textClass  = `[^\x00-\x08\x0a-\x1f\x7f]` // so that it also takes bytes that are no UTF-8
	tokenClass = "[!#$%&'*+.^_`|~0-9A-Za-z-]"
)

var (
	headGrammar  = regexp.MustCompile(`(?s-m)^(?:\r\n)?([A-Z_-]+) ([^\x00-\x20\x7f#\\]+) HTTP/1\.([0-9])\r\n((?:` + tokenClass + `+:` + textClass + `*\r\n)*)\r\n`)
	originForm   = regexp.MustCompile(`^/`)
	absoluteForm = regexp.MustCompile(`^(?i:https?)://([^/?]+)`)
	nameOrIPv4   = regexp.MustCompile(`^[0-9A-Za-z_~-]+(?:\.[0-9A-Za-z_~-]+)*\.?(?::([0-9]{0,5}))?$`)
)

// secondReading says why the head that text begins with must not be accepted as
// what r says; "" if nothing speaks against it.
func secondReading(text string, n int, r *Request) string {
	m := headGrammar.FindStringSubmatch(text)
	switch {
	case m == nil || len(m[0]) != n:
		return "it is no head of that length"
	case m[1] != string(r.Method) || m[2] != string(r.Target) || m[3] != strconv.Itoa(r.Minor):
		return fmt.Sprintf("the line is %q", m[1:4])
	case m[1] == "CONNECT" || m[1] == "TRACE":
		return "the method is not served"
	}
	fields := map[string][]string{}
	for line := range strings.SplitSeq(strings.TrimSuffix(m[4], "\r\n"), "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(name)
		fields[name] = append(fields[name], strings.Trim(value, " \t"))
	}
	return framingFault(fields, r) + hostFault(fields, m[2], r)
}

func framingFault(fields map[string][]string, r *Request) string {
	lengths, codings := fields["content-length"], fields["transfer-encoding"]
	switch {
	case len(lengths)+len(codings) > 1:
		return "framed twice"
	case len(codings) == 1 && (!r.Chunked || r.Minor == 0 || !strings.EqualFold(codings[0], "chunked")):
		return "its coding is not chunked"
	case len(codings) == 0 && r.Chunked:
		return "it has no coding"
	case len(lengths) == 0 && r.ContentLength != -1:
		return "it has no length"
	case len(lengths) == 1:
		want, err := strconv.ParseUint(lengths[0], 10, 63)
		if err != nil || !regexp.MustCompile(`^[0-9]{1,19}$`).MatchString(lengths[0]) || int64(want) != r.ContentLength {
			return "its length is another"
		}
	}
	return ""
}

func hostFault(fields map[string][]string, target string, r *Request) string {
	hosts := fields["host"]
	switch {
	case len(hosts) > 1, len(hosts) == 0 && r.Minor > 0:
		return fmt.Sprintf("%d hosts", len(hosts))
	case originForm.MatchString(target), target == "*":
	case !absoluteForm.MatchString(target):
		return "the target has no form"
	default:
		hosts = append(hosts, absoluteForm.FindStringSubmatch(target)[1])
	}
	for _, host := range hosts {
		if !nameOrIPv4.MatchString(host) {
			return fmt.Sprintf("host %q", host)
		}
	}
	if len(hosts) > 0 && string(r.Host) != hosts[len(hosts)-1] {
		return "the host is another"
	}
	return ""
}

func TestRule1NoMutantOfAHeadIsAcceptedAgainstTheGrammar(t *testing.T) {
	pieces := append(slices.Clone(oddBytes), "\r\n", "\r\n\r\n", "\r\n ", " \r\n", "\n\n", ": ", " :", "\r\nContent-Length: 4\r\n", "\r\nTransfer-Encoding: chunked\r\n",
		"\r\nHost: b\r\n", "GET /SMUGGLED HTTP/1.1\r\n", "%00", "%2e%2e/", "http://b/", "\xef\xbb\xbf", "\xe2\x80\xa8")
	accepted, refused := 0, 0
	for _, seed := range []string{
		"GET /a?b HTTP/1.1\r\nHost: a.test:80\r\nX-A: b\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
		"\r\nPUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n0\r\n\r\n",
		"GET http://a.test/b HTTP/1.1\r\nHost: c\r\n\r\n",
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	} {
		mutants(seed, pieces, func(text string) {
			var r Request
			n, err := r.Parse([]byte(text), nil)
			if err != nil {
				refused++
				return
			}
			accepted++
			if fault := secondReading(text, n, &r); fault != "" {
				t.Errorf("%q: accepted, but %s", text, fault)
			}
		})
	}
	t.Logf("%d accepted, %d refused or cut short", accepted, refused)
	if accepted < 1000 || refused < 10000 {
		t.Error("the mutants are not what they should be")
	}
}

var (
	sizeGrammar    = regexp.MustCompile(`^([0-9A-Fa-f]{1,16})(?:[\t ]*;` + textClass + `*)?\r\n`)
	trailerGrammar = regexp.MustCompile(`^(?:` + tokenClass + `+:` + textClass + `*\r\n)*\r\n`)
)

// secondBody reads a chunked body in one go.
func secondBody(text string) (body string, used int, whole bool) {
	for at := 0; ; {
		m := sizeGrammar.FindStringSubmatch(text[at:])
		if m == nil {
			return "", 0, false
		}
		at += len(m[0])
		size, err := strconv.ParseUint(m[1], 16, 63)
		if err != nil {
			return "", 0, false
		}
		if size == 0 {
			trailer := trailerGrammar.FindString(text[at:])
			return body, at + len(trailer), trailer != ""
		}
		if uint64(len(text)-at) < size+2 || text[at+int(size):at+int(size)+2] != "\r\n" {
			return "", 0, false
		}
		body += text[at : at+int(size)]
		at += int(size) + 2
	}
}

func TestRule4NoMutantOfAChunkedBodyIsAcceptedAgainstTheGrammar(t *testing.T) {
	pieces := append(slices.Clone(oddBytes), "\r\n", "\r\n\r\n", "\n\n", "0\r\n\r\n", "5\r\n", "00", "0x", "\xef\xbc\x95", ";\n", ";a=\"\r\n\"", "GET /SMUGGLED HTTP/1.1\r\n")
	accepted, refused := 0, 0
	for _, seed := range []string{
		"5\r\nhello\r\n0\r\n\r\n", "b;a=b\r\nhello world\r\nA\r\n0123456789\r\n0\r\nX-A: b\r\nY: z\r\n\r\n", "1 ;x\r\n\r\r\n2\r\n\r\n\r\n000\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		mutants(seed, pieces, func(text string) {
			body, used, err := readChunks([]byte(text), len(text)+1)
			want, length, whole := secondBody(text)
			if err != nil {
				refused++
				if whole {
					t.Errorf("%q: %v, though the grammar allows it", text, err)
				}
				return
			}
			accepted++
			if !whole || body != want || used != length {
				t.Errorf("%q: %d bytes, body %q; want %v, %d bytes, %q", text, used, body, whole, length, want)
			}
		})
	}
	t.Logf("%d accepted, %d refused or cut short", accepted, refused)
	if accepted < 500 || refused < 2000 {
		t.Error("the mutants are not what they should be")
	}
}

var answerGrammar = regexp.MustCompile(`^HTTP/1\.([0-9]) ([1-5][0-9][0-9])(?: (` + textClass + `*))?\r\n((?:` + tokenClass + `+:` + textClass + `*\r\n)*)\r\n`)

func TestRule13NoMutantOfAnAnswerIsAcceptedAgainstTheGrammar(t *testing.T) {
	pieces := append(slices.Clone(oddBytes), "\r\n", "\r\n\r\n", "\r\n ", "\n\n", " :", "HTTP/1.1 200 OK\r\n", "\r\nContent-Length: 4\r\n", "\r\nTransfer-Encoding: chunked\r\n")
	accepted, refused := 0, 0
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 404\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n0\r\n\r\n", "HTTP/1.0 302 Found \xe9\r\nLocation: /\r\n\r\n",
		"HTTP/1.1 204 \r\n\r\n",
	} {
		mutants(seed, pieces, func(text string) {
			r, n, err := parseResponse([]byte(text), len(text)+1)
			if err != nil {
				refused++
				return
			}
			accepted++
			m := answerGrammar.FindStringSubmatch(text)
			if m == nil || len(m[0]) != n || m[2] != strconv.Itoa(r.Status) {
				t.Errorf("%q: accepted as %d, %d bytes; want %q", text, r.Status, n, m)
				return
			}
			lengths, codings := len(fieldsNamed(m[4], "content-length")), fieldsNamed(m[4], "transfer-encoding")
			if lengths+len(codings) > 1 || r.Chunked != (len(codings) == 1) || (r.ContentLength >= 0) != (lengths == 1) {
				t.Errorf("%q: %d lengths, %d codings; read as %d, %v", text, lengths, len(codings), r.ContentLength, r.Chunked)
			}
		})
	}
	t.Logf("%d accepted, %d refused or cut short", accepted, refused)
	if accepted < 1000 || refused < 2000 {
		t.Error("the mutants are not what they should be")
	}
}

func fieldsNamed(lines, lower string) (values []string) {
	for line := range strings.SplitSeq(lines, "\r\n") {
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, lower) {
			values = append(values, value)
		}
	}
	return values
}

func TestRule5NoControlByteOfAHeadPassesAnywhere(t *testing.T) {
	const head = "GET /a HTTP/1.1\r\nHost: a\r\nX-A: b c\r\nConnection: close\r\nCookie: d=e\r\n\r\n"
	for i := range len(head) {
		for c := range 0x21 {
			if c == 0x20 {
				c = 0x7f
			}
			text := head[:i] + string([]byte{byte(c)}) + head[i:]
			var r Request
			n, err := r.Parse([]byte(text), nil)
			if err != nil || n < len(text) { // it stands behind the head
				continue
			}
			if line := strings.LastIndex(text[:i], "\r\n"); c != '\t' || line < 0 || !strings.Contains(text[line:i], ":") { // HTAB is for values
				t.Errorf("%q: accepted", text)
			}
		}
	}
}
