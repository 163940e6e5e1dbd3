package http2

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"paddock/proxy/http1"
)

func decode(fields [][2]string, ended bool) (head string, err error) {
	b := block{maxSize: defaultMaxHead, maxFields: defaultMaxFields}
	b.reset(false)
	for _, f := range fields {
		b.take(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	if err := b.finish(ended); err != nil {
		return "", err
	}
	return string(b.appendHead(nil)), nil
}

var plain = [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/x"}, {":authority", "a.test"}}

// with replaces fields of plain, or appends those that it has not; an empty name
// of a pseudo field's value "-" takes it away.
func with(changes ...[2]string) [][2]string {
	var out [][2]string
	rest := append([][2]string{}, changes...)
	for _, f := range plain {
		for i, c := range rest {
			if c[0] == f[0] {
				f, rest = c, append(rest[:i:i], rest[i+1:]...)
				break
			}
		}
		if f[1] != "-" {
			out = append(out, f)
		}
	}
	return append(out, rest...)
}

func TestMalformedRequestIsNone(t *testing.T) {
	for name, c := range map[string]struct {
		fields [][2]string
		want   *Malformed
	}{
		"no method":              {with([2]string{":method", "-"}), errNoPseudo},
		"no scheme":              {with([2]string{":scheme", "-"}), errNoPseudo},
		"no path":                {with([2]string{":path", "-"}), errNoPseudo},
		"empty path":             {with([2]string{":path", ""}), errPath},
		"path without slash":     {with([2]string{":path", "x"}), errPath},
		"absolute path":          {with([2]string{":path", "http://b.test/"}), errPath},
		"blank in path":          {with([2]string{":path", "/x HTTP/1.1"}), errPath},
		"line end in path":       {with([2]string{":path", "/x\r\nx: y"}), errPath},
		"NUL in path":            {with([2]string{":path", "/\x00"}), errPath},
		"DEL in path":            {with([2]string{":path", "/\x7f"}), errPath},
		"fragment":               {with([2]string{":path", "/x#y"}), errPath},
		"backslash":              {with([2]string{":path", `/x\y`}), errPath},
		"method with slash":      {with([2]string{":method", "GET/x"}), errMethod},
		"method with line end":   {with([2]string{":method", "GET\r\n"}), errMethod},
		"empty method":           {with([2]string{":method", ""}), errMethod},
		"empty scheme":           {with([2]string{":scheme", ""}), errScheme},
		"other scheme":           {with([2]string{":scheme", "ftp"}), errScheme},
		"scheme with line end":   {with([2]string{":scheme", "http\r\n"}), errScheme},
		"authority with user":    {with([2]string{":authority", "u@a.test"}), errAuthority},
		"authority with slash":   {with([2]string{":authority", "a.test/"}), errAuthority},
		"authority with CRLF":    {with([2]string{":authority", "a.test\r\nx: y"}), errAuthority},
		"authority with comma":   {with([2]string{":authority", "a.test,b.test"}), errAuthority},
		"bad port":               {with([2]string{":authority", "a.test:99999"}), errAuthority},
		"empty authority":        {with([2]string{":authority", ""}), errAuthority},
		"other host":             {with([2]string{"host", "b.test"}), errHosts},
		"two hosts":              {with([2]string{"host", "a.test"}, [2]string{"host", "a.test"}), errHosts},
		"pseudo twice":           {append(with(), [2]string{"x", "y"}, [2]string{":path", "/"}), errPseudoOrder},
		"pseudo repeated":        {with([2]string{":path", "/"}, [2]string{":path", "/"}), errPseudoTwice},
		"unknown pseudo":         {with([2]string{":status", "200"}), errPseudo},
		"protocol":               {with([2]string{":method", "CONNECT"}, [2]string{":protocol", "websocket"}), errPseudo},
		"upper case":             {with([2]string{"X-y", "1"}), errName},
		"empty name":             {with([2]string{"", "1"}), errName},
		"colon in name":          {with([2]string{"x:y", "1"}), errName},
		"CRLF in name":           {with([2]string{"x\r\ny", "1"}), errName},
		"blank in name":          {with([2]string{"x y", "1"}), errName},
		"NUL in name":            {with([2]string{"x\x00", "1"}), errName},
		"obs-text in name":       {with([2]string{"x\xff", "1"}), errName},
		"CR in value":            {with([2]string{"x", "a\rb"}), errValue},
		"LF in value":            {with([2]string{"x", "a\nb"}), errValue},
		"CRLF in value":          {with([2]string{"x", "a\r\nb: c"}), errValue},
		"NUL in value":           {with([2]string{"x", "a\x00"}), errValue},
		"VT in value":            {with([2]string{"x", "a\x0bb"}), errValue},
		"US in value":            {with([2]string{"x", "a\x1fb"}), errValue},
		"DEL in value":           {with([2]string{"x", "a\x7fb"}), errValue},
		"blank before value":     {with([2]string{"x", " a"}), errValue},
		"tab behind value":       {with([2]string{"x", "a\t"}), errValue},
		"connection":             {with([2]string{"connection", "close"}), errConnection},
		"keep-alive":             {with([2]string{"keep-alive", "1"}), errConnection},
		"proxy-connection":       {with([2]string{"proxy-connection", "1"}), errConnection},
		"transfer-encoding":      {with([2]string{"transfer-encoding", "chunked"}), errConnection},
		"upgrade":                {with([2]string{"upgrade", "websocket"}), errConnection},
		"te":                     {with([2]string{"te", "gzip"}), errConnection},
		"te list":                {with([2]string{"te", "trailers, gzip"}), errConnection},
		"length and no body":     {with([2]string{"content-length", "5"}), errLengthDiffer},
		"length is a list":       {with([2]string{"content-length", "0, 0"}), errLength},
		"length twice":           {with([2]string{"content-length", "0"}, [2]string{"content-length", "0"}), errLength},
		"length with sign":       {with([2]string{"content-length", "-1"}), errLength},
		"length with plus":       {with([2]string{"content-length", "+1"}), errLength},
		"length of 20 digits":    {with([2]string{"content-length", "00000000000000000000"}), errLength},
		"length that overflows":  {with([2]string{"content-length", "9999999999999999999"}), errLength},
		"empty length":           {with([2]string{"content-length", ""}), errLength},
		"CONNECT with a path":    {with([2]string{":method", "CONNECT"}), errNoPseudo},
		"CONNECT with a bad one": {[][2]string{{":method", "CONNECT"}, {":authority", "a b"}}, errAuthority},
	} {
		t.Run(name, func(t *testing.T) {
			if head, err := decode(c.fields, true); err != c.want {
				t.Errorf("got %q, %v; want %v", head, err, c.want)
			}
		})
	}
}

func TestRequestBecomesHead(t *testing.T) {
	for name, c := range map[string]struct {
		fields [][2]string
		want   string
	}{
		"authority comes first": {with([2]string{"x-b", "1"}, [2]string{"x-a", "2"}), "GET /x HTTP/1.1\r\nhost: a.test\r\nx-b: 1\r\nx-a: 2\r\n\r\n"},
		"the same host again":   {with([2]string{"host", "A.test"}), "GET /x HTTP/1.1\r\nhost: a.test\r\n\r\n"},
		"host alone":            {with([2]string{":authority", "-"}, [2]string{"host", "b.test"}), "GET /x HTTP/1.1\r\nhost: b.test\r\n\r\n"},
		"neither":               {with([2]string{":authority", "-"}), "GET /x HTTP/1.1\r\n\r\n"},
		"asterisk":              {with([2]string{":method", "OPTIONS"}, [2]string{":path", "*"}), "OPTIONS * HTTP/1.1\r\nhost: a.test\r\n\r\n"},
		"CONNECT":               {[][2]string{{":method", "CONNECT"}, {":authority", "a.test:443"}}, "CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n"},
		"an empty value":        {with([2]string{"x", ""}), "GET /x HTTP/1.1\r\nhost: a.test\r\nx: \r\n\r\n"},
		"8 bit":                 {with([2]string{"x", "\xff"}), "GET /x HTTP/1.1\r\nhost: a.test\r\nx: \xff\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := decode(c.fields, true); got != c.want || err != nil {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestLimitsAreThoseOfHTTP1(t *testing.T) {
	many := with()
	for range defaultMaxFields + 1 {
		many = append(many, [2]string{"x", "1"})
	}
	for name, fields := range map[string][][2]string{
		"fields": many,
		"bytes":  with([2]string{"x", strings.Repeat("v", defaultMaxHead)}),
	} {
		var refused *http1.Error
		if _, err := decode(fields, true); !errors.As(err, &refused) || refused.Status != 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnswerIsEncodedWithoutWhatBelongsToConnections(t *testing.T) {
	long := strings.Repeat("v", 300)
	block := appendAnswer(nil, []byte("HTTP/1.1 201 Created\r\nServer: paddock\r\nX-Odd-Name: a\r\nConnection: close\r\nKeep-Alive: x\r\n"+
		"Transfer-Encoding: chunked\r\nUpgrade: x\r\nProxy-Connection: x\r\nEmpty: \r\nSet-Cookie: a=b\r\nSet-Cookie: "+long+"\r\n\r\n"))
	fields, err := hpack.NewDecoder(0, nil).DecodeFull(block)
	must(t, err)
	var got []string
	for _, f := range fields {
		got = append(got, f.Name+"="+f.Value)
	}
	want := ":status=201 server=paddock x-odd-name=a empty= set-cookie=a=b set-cookie=" + long
	if strings.Join(got, " ") != want {
		t.Errorf("got %q", got)
	}
	for _, status := range []string{"200", "204", "206", "304", "400", "404", "500", "103", "599"} {
		fields, err := hpack.NewDecoder(0, nil).DecodeFull(appendAnswer(nil, []byte("HTTP/1.1 "+status+" \r\n\r\n")))
		if err != nil || len(fields) != 1 || fields[0].Value != status {
			t.Errorf("%s: got %v, %v", status, fields, err)
		}
	}
}

func TestTableSizeOfTheClientIsAnswered(t *testing.T) {
	p := dial(t, Config{}, echo)
	must(t, p.WriteRawFrame(4, 0, 0, appendSetting(nil, settingHeaderTableSize, 0)))
	must(t, p.open(1, p.get("/"), true))
	f := p.next("HEADERS", func(f frameOf) bool { return f.Header().StreamID == 1 })
	if block := f.(headersFrame).HeaderBlockFragment(); block[0] != noTable {
		t.Errorf("the block begins with %x", block[0])
	}
	must(t, p.open(3, p.get("/"), true))
	f = p.next("HEADERS", func(f frameOf) bool { return f.Header().StreamID == 3 })
	if block := f.(headersFrame).HeaderBlockFragment(); block[0] == noTable {
		t.Error("and so does the next")
	}
}

// FuzzFields: whatever the fields, a head that comes out is read as the same
// fields, and nothing of a value becomes anything else.
func FuzzFields(f *testing.F) {
	f.Add("GET", "http", "/x", "a.test", "x-a", "1", "cookie", "a=b")
	f.Add("POST", "https", "/x\r\nx: y", "a.test:81", "content-length", "5", "host", "a.test:81")
	f.Add("CONNECT", "", "", "a.test", "x", "a\r\n\r\nGET / HTTP/1.1", "", "")
	f.Fuzz(func(t *testing.T, method, scheme, path, authority, name1, value1, name2, value2 string) {
		fields := [][2]string{{":method", method}, {":scheme", scheme}, {":path", path}, {":authority", authority}, {name1, value1}, {name2, value2}}
		head, err := decode(fields, false)
		if err != nil {
			return
		}
		var r http1.Request
		r.Reset()
		n, err := r.Parse([]byte(head), nil)
		if err == http1.ErrIncomplete {
			t.Fatalf("%q is not complete", head)
		}
		if err != nil {
			return
		}
		if n != len(head) {
			t.Fatalf("%d of %d bytes were the head %q", n, len(head), head)
		}
		want := [][2]string{{"host", authority}}
		for _, f := range fields[4:] {
			if f[0] != "host" {
				want = append(want, f)
			}
		}
		if string(r.Method) != method || string(r.Target) != path || len(r.Fields) != len(want) {
			t.Fatalf("%q was read as %q %q with %d fields", head, r.Method, r.Target, len(r.Fields))
		}
		for i, f := range want {
			if string(r.Fields[i].Name) != f[0] || string(r.Fields[i].Value) != f[1] {
				t.Errorf("field %d is %q: %q, want %q", i, r.Fields[i].Name, r.Fields[i].Value, f)
			}
		}
	})
}

// FuzzConn: no bytes of a client make the connection panic or hang.
func FuzzConn(f *testing.F) {
	var buf bytes.Buffer
	enc := hpack.NewEncoder(&buf)
	for _, field := range plain {
		enc.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	settings := appendFrameHeader(nil, 0, frameSettings, 0, 0)
	get := append(settings, appendBlock(nil, 1, buf.Bytes(), true)...)
	f.Add(settings)
	f.Add(get)
	f.Add(append(appendWindowUpdate(get, 1, 5), appendReset(nil, 1, Cancel)...))
	f.Add(append(appendBlock(bytes.Clone(settings), 1, buf.Bytes(), false), appendFrameHeader(nil, 0, frameData, flagEndStream, 1)...))
	f.Add(appendPing(appendGoAway(bytes.Clone(settings), 0, 0), 0, [8]byte{}))
	f.Fuzz(func(t *testing.T, data []byte) {
		NewConn(&script{in: append([]byte(Preface), data...)}, Config{}, apart(echo)).Serve(nil)
	})
}
