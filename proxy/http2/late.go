package http2

// late remembers how the last streams ended, for what still comes for them.
type late struct {
	ended []ending // the oldest is overwritten
	next  int
}

type ending struct {
	stream uint32
	ours   bool // we reset it: the client could not know yet
}

func (l *late) add(stream uint32, ours bool) {
	if len(l.ended) < remembered {
		l.ended = append(l.ended, ending{stream, ours})
		return
	}
	l.ended[l.next%remembered] = ending{stream, ours}
	l.next++
}

// find reports whether a stream was open not long ago.
func (l *late) find(stream uint32) (e ending, known bool) {
	for i := range l.ended {
		if l.ended[i].stream == stream {
			return l.ended[i], true
		}
	}
	return ending{}, false
}
