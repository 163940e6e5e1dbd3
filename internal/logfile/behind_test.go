package logfile

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestLogBehindAStalledReaderNeverHoldsItsWriterUp(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	b := NewBehind(w)
	const sent = 40000 // 3 MB: more than pipe and bound together
	for i := range sent {
		fmt.Fprintf(b, "%06d %s\n", i, strings.Repeat("x", 70)) // returns though nobody reads
	}
	got := make(chan [2]int, 1)
	go func() {
		var written, dropped int
		for lines := bufio.NewScanner(r); written+dropped < sent && lines.Scan(); {
			n := 0
			if k, _ := fmt.Sscanf(lines.Text(), "%d lines of this log were dropped", &n); k == 1 && strings.Contains(lines.Text(), "dropped") {
				dropped += n
			} else {
				written++
			}
		}
		got <- [2]int{written, dropped}
	}()
	n := <-got
	if n[0]+n[1] != sent || n[0] == 0 || n[1] == 0 {
		t.Errorf("%d lines written, %d dropped, of %d", n[0], n[1], sent)
	}
	b.Close()
	r.Close()
}

func TestLogBehindIsWrittenAtItsEndAndWaitsForNobody(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b := NewBehind(w)
	fmt.Fprintln(b, "the last line")
	b.Close()
	b.Close()
	stuck := NewBehind(w)
	for range 20000 {
		fmt.Fprintln(stuck, strings.Repeat("x", 60))
	}
	stuck.Close() // nobody reads
	w.Close()
	if line, err := bufio.NewReader(r).ReadString('\n'); line != "the last line\n" {
		t.Errorf("read %q, %v", line, err)
	}
}
