package link

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// numbered opens n files that hold their number.
func numbered(t *testing.T, n int) []*os.File {
	t.Helper()
	dir := t.TempDir()
	files := make([]*os.File, n)
	for i := range files {
		path := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(path, []byte(strconv.Itoa(i)), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		files[i] = f
	}
	return files
}

func number(t *testing.T, f *os.File) int {
	t.Helper()
	text := make([]byte, 8)
	n, _ := f.ReadAt(text, 0)
	i, err := strconv.Atoi(string(text[:n]))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// answerConfigure is a proxy that puts configurations together.
func answerConfigure(proxy *Conn, got chan<- ConfigureFiles) func(Message, []*os.File) {
	var gather Gather
	return func(m Message, files []*os.File) {
		if m.Type == TypeDescriptors {
			_ = gather.Add(m, files)
			return
		}
		var c Configure
		err := m.Decode(&c)
		all := gather.Take(c.Serial, files)
		split, serr := c.Split(all)
		if err == nil {
			err = serr
		}
		if err == nil {
			got <- split
		} else {
			CloseAll(all)
		}
		_ = proxy.Reply(m, Ready{Serial: c.Serial, Pid: 1}, err)
	}
}

func TestConfigureCarriesAnyNumberOfFilesInOrder(t *testing.T) {
	for _, listeners := range []int{0, 1, 248, 249, 250, 600} {
		t.Run(fmt.Sprint(listeners), func(t *testing.T) {
			keeper, proxy := pair(t)
			got := make(chan ConfigureFiles, 1)
			serve(proxy, answerConfigure(proxy, got))
			serve(keeper, ignore)
			files := numbered(t, listeners+3)
			c := Configure{Serial: 4, Listeners: make([]string, listeners), Logs: make([]LogFile, 1), TempDir: true}
			sent := ConfigureFiles{Config: files[0], Listeners: files[1 : listeners+1], Logs: files[listeners+1 : listeners+2], TempDir: files[listeners+2]}
			ready, err := keeper.Configure(t.Context(), c, sent)
			if err != nil || ready.Serial != 4 {
				t.Fatalf("got %+v, %v", ready, err)
			}
			arrived := (<-got).Order()
			for i, f := range arrived {
				if number(t, f) != i {
					t.Errorf("file %d arrived at place %d", number(t, f), i)
				}
			}
			CloseAll(arrived)
		})
	}
}

func TestConfigureWithTheWrongNumberOfFilesIsRefused(t *testing.T) {
	keeper, proxy := pair(t)
	serve(proxy, answerConfigure(proxy, nil))
	serve(keeper, ignore)
	before := openFiles(t)
	f := devNull(t)
	_, err := keeper.Configure(t.Context(), Configure{Serial: 1, Listeners: []string{"a", "b"}, AppDir: true}, ConfigureFiles{Config: f})
	if err == nil || err.Error() != "configure with 1 descriptors; expected 4" {
		t.Errorf("got %v", err)
	}
	if _, err := keeper.Configure(t.Context(), Configure{Serial: 2}, ConfigureFiles{Config: f, Logs: repeat(f, MaxGathered)}); err == nil ||
		!strings.Contains(err.Error(), "expected at most 4096") {
		t.Errorf("got %v", err)
	}
	if after := openFiles(t); after != before+1 {
		t.Errorf("%d descriptors open, %d before; expected one more, the sent one", after, before)
	}
}

func TestFilesWhoseMessageNeverCameAreClosed(t *testing.T) {
	null := devNull(t)
	before := openFiles(t)
	var g Gather
	add := func(serial, n int) error {
		files := make([]*os.File, n)
		for i := range files {
			var err error
			if files[i], err = os.Open(null.Name()); err != nil {
				t.Fatal(err)
			}
		}
		defer CloseAll(files) // as Serve does
		return g.Add(Message{Type: TypeDescriptors, Body: fmt.Appendf(nil, `{"serial":%d}`, serial)}, files)
	}
	for _, serial := range []int{1, 1, 2} {
		if err := add(serial, 3); err != nil {
			t.Fatal(err)
		}
	}
	if got := openFiles(t) - before; got != 3 {
		t.Errorf("%d files are kept; expected the 3 of serial 2", got)
	}
	if all := g.Take(3, nil); len(all) != 0 {
		t.Errorf("serial 3 got %d files of serial 2", len(all))
	}
	if err := add(4, 2); err != nil {
		t.Fatal(err)
	}
	g.Close()
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
}

func TestLogsArriveInOrder(t *testing.T) {
	keeper, proxy := pair(t)
	serve(keeper, ignore)
	got := make(chan []*os.File, 1)
	serve(proxy, func(m Message, files []*os.File) {
		got <- Take(files)
		_ = proxy.Reply(m, nil, nil)
	})
	if err := keeper.Logs(t.Context(), Logs{Serial: 1, Logs: []LogFile{{"a"}, {"b"}}}, numbered(t, 2)); err != nil {
		t.Fatal(err)
	}
	files := <-got
	for i, f := range files {
		if number(t, f) != i {
			t.Errorf("file %d arrived at place %d", number(t, f), i)
		}
	}
	CloseAll(files)
}
