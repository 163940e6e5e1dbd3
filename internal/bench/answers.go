package main

import (
	"fmt"
	"strings"
	"time"
)

// The answers' bodies: of /s, /m and /c, and /l.
const (
	smallAnswer  = 200
	mediumAnswer = 16 << 10
	largeAnswer  = 1 << 20
	chunk        = 4 << 10
)

// The answers that come in two parts: the first at once, the rest of largeAnswer later.
const (
	firstSmall = 1 << 10
	firstLarge = 64 << 10
	later      = 20 * time.Millisecond
)

// answer is what a path gets, made once.
type answer struct {
	bytes  []byte
	closes bool // the connection, as gunicorn's sync workers do
	first  int  // how many bytes come at once; 0: all
}

// answers are the app's, by path.
func answers() map[string]*answer {
	whole := func(body int, extra string) []byte {
		return []byte(head(fmt.Sprintf("Content-Length: %d\r\n", body)+extra) + strings.Repeat("x", body))
	}
	chunked := strings.Repeat(fmt.Sprintf("%x\r\n%s\r\n", chunk, strings.Repeat("x", chunk)), mediumAnswer/chunk) + "0\r\n\r\n"
	large := whole(largeAnswer, "Connection: close\r\n")
	before := len(large) - largeAnswer
	return map[string]*answer{
		"/s":   {bytes: whole(smallAnswer, "")},
		"/m":   {bytes: whole(mediumAnswer, "")},
		"/c":   {bytes: []byte(head("Transfer-Encoding: chunked\r\n") + chunked)},
		"/l":   {bytes: whole(largeAnswer, "")},
		"/x":   {bytes: whole(smallAnswer, "Connection: close\r\n"), closes: true},
		"/1k":  {bytes: large, closes: true, first: before + firstSmall},
		"/64k": {bytes: large, closes: true, first: before + firstLarge},
	}
}

func head(extra string) string {
	return "HTTP/1.1 200 OK\r\nServer: app\r\nDate: Mon, 23 Nov 2026 02:24:37 GMT\r\nContent-Type: text/html; charset=utf-8\r\n" + extra + "\r\n"
}
