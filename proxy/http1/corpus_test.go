package http1

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

// hostileCase is one line of testdata/hostile.txt: side, verdict, name, and the
// bytes as a Go string, separated by tabs. Verdicts: ok, more (the message is not
// complete) or the status of the refusal; "after N " in front: N requests were
// read before.
type hostileCase struct {
	side, verdict, name string
	wire                []byte
}

func readCases(t testing.TB) (cases []hostileCase) {
	t.Helper()
	file, err := os.Open("testdata/hostile.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if line := lines.Text(); line != "" && line[0] != '#' {
			cases = append(cases, readCase(t, line))
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

func readCase(t testing.TB, line string) hostileCase {
	t.Helper()
	part := strings.SplitN(line, "\t", 4)
	if len(part) != 4 {
		t.Fatalf("not four parts: %s", line)
	}
	wire, err := strconv.Unquote(part[3])
	if err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return hostileCase{part[0], part[1], part[2], []byte(wire)}
}

func TestHostileCases(t *testing.T) {
	for _, c := range readCases(t) {
		for _, step := range []int{1, 5, len(c.wire) + 1} {
			if got := verdict(c, step); got != c.verdict {
				t.Errorf("%s: %s (%d bytes at a time): %s, want %s", c.side, c.name, step, got, c.verdict)
			}
		}
	}
}

func verdict(c hostileCase, step int) string {
	switch c.side {
	case "request":
		seen := serve(c.wire, step)
		return after(len(seen.requests), seen.err)
	case "response":
		r, n, err := parseResponse(c.wire, step)
		if err == nil {
			if kind, _ := r.Body([]byte("GET")); kind == Chunked {
				_, _, err = readChunks(c.wire[n:], step)
			}
		}
		return after(0, err)
	default:
		_, _, err := readChunks(c.wire, step)
		return after(0, err)
	}
}

// after says how the bytes ended, and how many requests were read before.
func after(requests int, err error) string {
	end := "ok"
	switch status := statusOf(err); {
	case err == ErrIncomplete:
		end = "more"
	case status > 0:
		end = strconv.Itoa(status)
	}
	if requests > 0 {
		end = "after " + strconv.Itoa(requests) + " " + end
	}
	return end
}
