package proxy

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"paddock/internal/value"
)

const post = "POST /p HTTP/1.1\r\n"

// Both readings of these bodies end before smuggled.
const (
	zeroChunk = "0\r\n\r\n"
	oneChunk  = "5\r\nhello\r\n0\r\n\r\n"
)

func TestRule2CodingAndLengthTogetherAreRefused(t *testing.T) {
	r := newStrictRig(t, nil)
	codings := []string{
		"Transfer-Encoding: chunked", "transfer-encoding:chunked", "TRANSFER-ENCODING: CHUNKED", "Transfer-Encoding: \tchunked \t",
		"Transfer-Encoding: identity", "Transfer-Encoding:", "Transfer-Encoding: ,", "Transfer-Encoding: gzip", "Transfer-Encoding: chunked, identity",
		"Transfer-Encoding: \xc2\xa0chunked", "Transfer-Encoding: chun\xe2\x80\x8bked",
	}
	lengths := []string{"Content-Length: 5", "content-length:0", "CONTENT-LENGTH: 44", "Content-Length: \t5"}
	for _, coding := range codings {
		for _, length := range lengths {
			for _, lines := range []string{
				"Host: a\r\n" + coding + "\r\n" + length, "Host: a\r\n" + length + "\r\n" + coding, coding + "\r\nHost: a\r\n" + length, length + "\r\nX-A: b\r\n" + coding + "\r\nHost: a",
			} {
				r.refuses(fmt.Sprintf("%q", lines), post+lines+"\r\n\r\n"+zeroChunk, 400)
			}
		}
	}
}

func TestRule2OtherCodingsThanOneChunkedAreRefused(t *testing.T) {
	r := newStrictRig(t, nil)
	for value, status := range map[string]int{
		"chunked, chunked": 400, "chunked,chunked": 400, "gzip, chunked": 400, "chunked, gzip": 400, "identity, chunked": 400, "chunked, identity": 400,
		"chunked,": 400, ",chunked": 400, " , chunked": 400, ",": 400, "": 501, "identity": 501, "gzip": 501, "deflate": 501, "trailers": 501, "xchunked": 501, "chunkedx": 501,
		"chunke": 501, "hunked": 501, "chunked;q=1": 501, "chunked; a": 501, `"chunked"`: 501, "'chunked'": 501, "chunked chunked": 501, "chun ked": 501,
		"chun\tked": 501, "chunked\x0b": 400, "\x0bchunked": 400, "\x0cchunked": 400, "\x00chunked": 400, "chunked\x00": 400, "\x1fchunked": 400, "chunked\x7f": 400,
		"\xa0chunked": 501, "chunked\xa0": 501, "\xc2\x85chunked": 501, "chun\xc4\xb1ked": 501, "\xef\xbb\xbfchunked": 501, "cow": 501, "chunked\\": 501, "(chunked)": 501,
	} {
		r.refuses(fmt.Sprintf("coding %q", value), post+"Host: a\r\nTransfer-Encoding: "+value+"\r\n\r\n"+zeroChunk, status)
	}
	for _, lines := range []string{
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nX: y\r\ntransfer-encoding: identity", "Transfer-Encoding:\r\nTransfer-Encoding: chunked",
		"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding:",
	} {
		r.refuses(fmt.Sprintf("%q", lines), post+"Host: a\r\n"+lines+"\r\n\r\n"+zeroChunk, 400)
	}
	for _, name := range []string{
		"Transfer-Encoding ", "Transfer-Encoding\t", " Transfer-Encoding", "\tTransfer-Encoding", "Transfer-Encoding\x00", "\x00Transfer-Encoding", "Transfer-Enco\x00ding",
		"Transfer-Encoding\x0b", "Transfer Encoding", "Transfer-Encoding\xa0", "\"Transfer-Encoding\"", "Transfer-Encoding;", "Transfer-Encoding\r", "Transfer-Encoding:\r\n ",
	} {
		r.refuses(fmt.Sprintf("name %q", name), post+"Host: a\r\nContent-Length: 5\r\n"+name+": chunked\r\n\r\n"+zeroChunk, 400)
		r.refuses(fmt.Sprintf("name %q first", name), post+name+": chunked\r\nHost: a\r\n\r\n"+zeroChunk, 400)
	}
	r.refuses("coding of HTTP/1.0", "POST /p HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"+zeroChunk, 400)
	r.refuses("coding and length of HTTP/1.0", "POST /p HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"+zeroChunk, 400)
	r.refuses("coding of HTTP/1.0 that lives on", "POST /p HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"+zeroChunk, 400)
}

func TestRule2LengthIsOneNumberOfDigits(t *testing.T) {
	r := newStrictRig(t, nil)
	for _, value := range []string{
		"", "+5", "-5", "-0", "+0", "5 5", "5\t5", "5,5", "5, 5", "5,", ",5", "5;", "5;a=b", "0x5", "0X5", "5h", "0b101", "0o5", "5e0", "5E0", "5.0", "5.", ".5", "5_0", "5'0", "1 0",
		"\"5\"", "'5'", "(5)", "five", "NaN", "5\x00", "\x005", "5\x0b", "\x0b5", "5\x0c", "5\x7f", "5\x1f", "5\xa0", "\xa05", "\xc2\xa05", "5\xc2\x85", "\xd9\xa5", "\xef\xbc\x95", "\xe2\x82\x85",
		"9223372036854775808", "18446744073709551615", "18446744073709551616", "18446744073709551621", "99999999999999999999", "00000000000000000005", strings.Repeat("0", 40) + "5", strings.Repeat("9", 4000),
	} {
		r.refuses(fmt.Sprintf("length %.30q", value), post+"Host: a\r\nContent-Length: "+value+"\r\n\r\nhello", 400)
	}
	for _, a := range []string{"0", "5", "05", "6"} {
		for _, b := range []string{"0", "5", "", "x"} {
			for _, lines := range []string{"Content-Length: " + a + "\r\nContent-Length: " + b, "content-length: " + b + "\r\nX: y\r\nCONTENT-LENGTH:" + a} {
				r.refuses(fmt.Sprintf("%q", lines), post+lines+"\r\nHost: a\r\n\r\nhello", 400)
			}
		}
	}
	for _, name := range []string{"Content-Length ", "Content-Length\t", " Content-Length", "Content-Length\x00", "Content-\x00Length", "Content Length", "Content-Length\x0b", "Content-Length\r", "\"Content-Length\""} {
		r.refuses(fmt.Sprintf("name %q", name), post+"Host: a\r\n"+name+": 5\r\n\r\nhello", 400)
	}
	for value, body := range map[string]string{"5": "hello", "0": "", "05": "hello", "0000000000000000005": "hello", "\t 5 \t": "hello"} {
		q := r.passes("length "+value, post+"Host: a\r\nContent-Length: "+value+"\r\n\r\n"+body)
		if q.body != body || strings.Join(q.values("content-length"), "|") != fmt.Sprint(len(body)) {
			t.Errorf("length %q: the app got %q", value, q)
		}
	}
}

func TestRule2AppGetsOneLengthWhateverTheClientSent(t *testing.T) {
	r := newStrictRig(t, nil)
	for name, c := range map[string]struct{ message, body, length string }{
		"chunked":               {post + "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n" + oneChunk, "hello", "5"},
		"chunked, mixed case":   {post + "tRANSFER-eNCODING:\t cHunKed \t\r\nhOST: a\r\n\r\n" + oneChunk, "hello", "5"},
		"chunked and empty":     {post + "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n" + zeroChunk, "", "0"},
		"trailers are dropped":  {post + "Host: a\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: v\r\nHost: evil\r\nContent-Length: 9\r\n\r\n", "hello", "5"},
		"extensions are too":    {post + "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b;c\" ; d\r\nhello\r\n0;x=y\r\n\r\n", "hello", "5"},
		"body like a request":   {post + fmt.Sprintf("Host: a\r\nContent-Length: %d\r\n\r\n%s", len(smuggled), smuggled), smuggled, fmt.Sprint(len(smuggled))},
		"GET with a body":       {fmt.Sprintf("GET /p HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(smuggled), smuggled), smuggled, fmt.Sprint(len(smuggled))},
		"OPTIONS with a body":   {fmt.Sprintf("OPTIONS /p HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(smuggled), smuggled), smuggled, fmt.Sprint(len(smuggled))},
		"DELETE, chunked":       {fmt.Sprintf("DELETE /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled), smuggled, fmt.Sprint(len(smuggled))},
		"TE is no coding":       {post + "Host: a\r\nTE: chunked, trailers\r\nContent-Length: 5\r\n\r\nhello", "hello", "5"},
		"underscore frames not": {post + "Host: a\r\nTransfer_Encoding: chunked\r\nContent_Length: 50\r\nContent-Length: 5\r\n\r\nhello", "hello", "5"},
		"none":                  {"GET /p HTTP/1.1\r\nHost: a\r\n\r\n", "", ""},
		"named in Connection":   {post + "Host: a\r\nConnection: Content-Length, Transfer-Encoding\r\nContent-Length: 5\r\n\r\nhello", "hello", "5"},
	} {
		q := r.passes(name, c.message)
		if q.body != c.body || strings.Join(q.values("content-length"), "|") != c.length {
			t.Errorf("%s: the app got %q", name, q)
		}
	}
}

// brokenChunks are bodies that are refused at the latest where they end.
var brokenChunks = []string{
	"zz\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", " 5\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", "5\t\r\nhello\r\n0\r\n\r\n",
	"5,\r\nhello\r\n0\r\n\r\n", "5.0\r\nhello\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "5\rhello\r\n0\r\n\r\n", "5\r\r\nhello\r\n0\r\n\r\n", "5\n\nhello\r\n0\r\n\r\n", "\r\n5\r\nhello\r\n0\r\n\r\n", "\n5\r\nhello\r\n0\r\n\r\n",
	"5\r\nhello0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n", "5\r\nhell\r\n0\r\n\r\n", "4\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n\r\n0\r\n\r\n", "5\r\nhello\r\n\x00\r\n\r\n",
	"5;a\nb\r\nhello\r\n0\r\n\r\n", "5;a\rb\r\nhello\r\n0\r\n\r\n", "5;\x00\r\nhello\r\n0\r\n\r\n", "5;\x01\r\nhello\r\n0\r\n\r\n", "5;\x7f\r\nhello\r\n0\r\n\r\n", "5\x00\r\nhello\r\n0\r\n\r\n", "5\x0b\r\nhello\r\n0\r\n\r\n",
	"8000000000000000\r\n", "ffffffffffffffff\r\n", "10000000000000005\r\nhello\r\n0\r\n\r\n", "00000000000000005\r\nhello\r\n0\r\n\r\n", "fffffffffffffffffffffffb\r\nhello\r\n0\r\n\r\n", strings.Repeat("0", 1000) + "5\r\nhello\r\n0\r\n\r\n",
	"5\r\nhello\r\n0\n\n", "5\r\nhello\r\n0\r\n\n", "5\r\nhello\r\n0\r\r\n", "5\r\nhello\r\n0\r\nX\r\n\r\n", "5\r\nhello\r\n0\r\nX : y\r\n\r\n", "5\r\nhello\r\n0\r\nX: y\n\r\n", "5\r\nhello\r\n0\r\n: y\r\n\r\n", "5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n",
	"5\r\nhello\r\n0\r\nX: \x00\r\n\r\n", "5\r\nhello\r\n0\r\nX(: y\r\n\r\n", "5\r\nhello\r\n0\r\n y\r\n\r\n", "5\r\nhello\r\n0\r\n" + smuggled, "5;" + strings.Repeat("a", 5000) + "\r\nhello\r\n0\r\n\r\n",
	"5\r\nhello\r\n0\r\n" + strings.Repeat("X: y\r\n", 65) + "\r\n", "5\r\nhello\r\n0\r\nX: " + strings.Repeat("y", 9000) + "\r\n\r\n", strings.Repeat("1;"+strings.Repeat("a", 1000)+"\r\nx\r\n", 20) + "0\r\n\r\n",
	"٥\r\nhello\r\n0\r\n\r\n", "5\xa0\r\nhello\r\n0\r\n\r\n", "5:\r\nhello\r\n0\r\n\r\n", ";a\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n-0\r\n\r\n", "5\r\nhello\r\n+0\r\n\r\n", "5\r\nhello\r\n0x0\r\n\r\n", "5\r\nhello\r\n00000000000000000\r\n\r\n",
}

func TestRule4BrokenChunksAreRefusedAndNothingBehindThemIsRead(t *testing.T) {
	r := newStrictRig(t, nil)
	for _, body := range brokenChunks {
		r.refuses(fmt.Sprintf("%.60q", body), post+"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n"+body, 400)
	}
}

// What is answered without the app must not take the body for a request either.
func TestRule3BodyOfARefusedRequestIsNoRequest(t *testing.T) {
	site := makeSite(t)
	small := value.Size(10)
	r := newStrictRig(t, func(c *Config) {
		c.Apps = map[string]App{"down": DefaultApp()}
		c.Servers[0].Location = append(c.Servers[0].Location,
			Location{Path: "/403", Return: "403"}, Location{Path: "/301", Return: "301 /x"}, Location{Path: "/200", Return: "200 text"}, Location{Path: "/file/", Alias: site + "/"},
			Location{Path: "/down", ProxyPass: "http://down"}, Location{Path: "/small", ProxyPass: "http://up", Settings: Settings{ClientMaxBodySize: &small}},
			Location{Path: "/slash/", ProxyPass: "http://up"}, Location{Path: "/444", Return: "444"}, Location{Path: "/internal", Return: "200 x", Internal: true})
	})
	must(t, r.proxy.SetApp(AppState{Name: "down", State: "fatal"}))
	chunked := fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled)
	plain := fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(smuggled), smuggled)
	for _, target := range []string{"/403", "/301", "/200", "/file/a.txt", "/file/nope", "/file/dir", "/down", "/small", "/slash", "/internal"} {
		for _, method := range []string{"POST", "GET", "PUT", "DELETE"} {
			for _, head := range []string{"", "Expect: 100-continue\r\n"} {
				for _, body := range []string{plain, chunked} {
					message := method + " " + target + " HTTP/1.1\r\nHost: a.test\r\n" + head + body
					half := len(message) - len(body)/2
					for _, parts := range [][]string{{message + lastOne}, {goodOne + message[:half], message[half:] + lastOne}} {
						got := r.say(parts...)
						seen, faults := r.app.take()
						if strings.Contains(got, "SMUGGLED") || len(faults) > 0 {
							t.Errorf("%q: got %q, the app %q", parts, got, faults)
						}
						for _, q := range seen {
							if q.target != "/first" && q.target != "/last" {
								t.Errorf("%q: the app got %q", parts, q)
							}
						}
					}
				}
			}
		}
	}
}

// Rule 3: a framing error ends the connection also where no app is asked.
func TestRule3BrokenBodyThatNobodyWantsEndsTheConnection(t *testing.T) {
	site := makeSite(t)
	r := newStrictRig(t, func(c *Config) {
		c.Servers[0].Location = append(c.Servers[0].Location, Location{Path: "/200", Return: "200 text"}, Location{Path: "/file/", Alias: site + "/"})
	})
	for _, target := range []string{"/200", "/file/a.txt", "/file/nope"} {
		for _, body := range brokenChunks {
			got := r.say("GET " + target + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body + smuggled + smuggled)
			if seen, faults := r.app.take(); len(seen)+len(faults) > 0 || strings.Count(got, "HTTP/1.1 ") != 1 || !strings.HasPrefix(got, "HTTP/1.1 400 ") && target != "/file/nope" {
				t.Errorf("%s %.60q: the app got %q %q, the client %q", target, body, seen, faults, got)
			}
		}
	}
}

// Rule 15: an app that answers before it has read the body has the rest of it
// still before it, and would take it for a request.
func TestRule15ConnectionWithAnUnreadBodyIsNotReused(t *testing.T) {
	const size = 4 << 20
	conns := make(chan net.Conn, 100)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			conns <- c
		}
	}()
	large := value.Size(size)
	r := newRig(t, func(c *Config) {
		toUpstream(8, ln.Addr().String())(c)
		c.Servers[0].ClientMaxBodySize = &large
	})
	for i := range 10 {
		client := r.dial()
		go fmt.Fprintf(client, "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", i, size, strings.Repeat(smuggled, size/len(smuggled)+1)[:size])
		c := receive(t, conns, "a connection of its own for each request")
		head, _, err := readUntil(c, nil, "\r\n\r\n")
		must(t, err)
		if !strings.HasPrefix(string(head), fmt.Sprintf("POST /%d ", i)) {
			t.Fatalf("request %d: the app got %.100q", i, head)
		}
		fmt.Fprint(c, ok("early"))
		if got, _, err := readUntil(client, nil, "early"); err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 200 ") {
			t.Errorf("request %d: got %q, %v", i, got, err)
		}
		client.Close()
		c.Close()
	}
}
