package http1

// conversation is what a server makes of the bytes of one connection.
type conversation struct {
	requests []seenRequest
	err      error // nil: the bytes end where a message ends
}

type seenRequest struct {
	method, target, path, host, body string
	minor                            int
	fields                           []string // forwardable, from an untrusted peer
}

// serve reads requests until the bytes end, the connection closes or a message is
// refused. It gets the bytes step by step, at most step new ones at a time.
func serve(wire []byte, step int) (c conversation) {
	var r Request
	var have int
	for {
		n, err := 0, ErrIncomplete
		for err == ErrIncomplete {
			n, err = r.Parse(wire[:have], nil)
			if err == ErrIncomplete && have == len(wire) {
				c.err = err
				if len(wire) == 0 {
					c.err = nil
				}
				return c
			}
			if err == ErrIncomplete {
				have = min(have+step, len(wire))
			}
		}
		if err != nil {
			c.err = err
			return c
		}
		seen := seenRequest{
			method: string(r.Method), target: string(r.AppendTarget(nil)), path: string(r.NormalPath),
			host: string(r.Host), minor: r.Minor, fields: forwardable(r.Fields),
		}
		keep := r.KeepAlive
		body, used, err := readBody(&r, wire[n:], step)
		if err != nil {
			c.err = err
			return c
		}
		seen.body = body
		c.requests = append(c.requests, seen)
		wire, have = wire[n+used:], 0
		if !keep {
			return c
		}
	}
}

func readBody(r *Request, wire []byte, step int) (body string, used int, err error) {
	if !r.Chunked {
		length := max(r.ContentLength, 0)
		if length > int64(len(wire)) {
			return "", 0, ErrIncomplete
		}
		return string(wire[:length]), int(length), nil
	}
	return readChunks(wire, step)
}

func readChunks(wire []byte, step int) (body string, used int, err error) {
	var c ChunkReader
	var out []byte
	for used < len(wire) {
		n, data, done, err := c.Next(wire[used:min(used+step, len(wire))])
		out = append(out, data...)
		used += n
		if err != nil || done {
			return string(out), used, err
		}
	}
	return string(out), used, ErrIncomplete
}

func forwardable(fields Fields) (names []string) {
	for i := range fields {
		if !fields[i].Drop && !fields[i].Forwarded {
			names = append(names, string(fields[i].Name)+": "+string(fields[i].Value))
		}
	}
	return names
}
