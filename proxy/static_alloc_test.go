package proxy

import "testing"

// An access to the file system allocates in the standard library: names, a File,
// what stat tells. The bound keeps our own share small.
func TestStaticFileCostsFewAllocations(t *testing.T) {
	many := 1 << 30
	dir := files(t, "a.txt")
	r := newRig(t, func(c *Config) {
		c.Servers[0].App, c.Servers[0].KeepaliveRequests = "", &many
		c.Servers[0].Location = []Location{{Path: "/f/", Alias: dir}}
	})
	c := r.dial()
	request, buf := []byte("GET /f/a.txt HTTP/1.1\r\nHost: a\r\n\r\n"), make([]byte, 4096)
	once := func() {
		c.Write(request)
		if n, err := c.Read(buf); n == 0 || err != nil {
			t.Fatalf("read: %d, %v", n, err)
		}
	}
	for range 100 {
		once()
	}
	if n := testing.AllocsPerRun(1000, once); n > 20 && !raceEnabled {
		t.Errorf("%v allocations a request, want at most 20", n)
	} else {
		t.Logf("%v allocations a request", n)
	}
}
