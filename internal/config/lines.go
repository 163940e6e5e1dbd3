package config

// lineIndex maps the path of a key, as value.Join and value.Index build it, to the
// line where it stands.
type lineIndex map[string]int

// find returns the line of a key, or of the nearest table or array around it that
// stands in the file, and the path of what it found. A key that is missing is
// reported at the table that lacks it.
func (x lineIndex) find(path string) (line int, found string) {
	for ; path != ""; path = parent(path) {
		if line, ok := x[path]; ok {
			return line, path
		}
	}
	return 0, ""
}

// parent cuts the last key or index off a path.
func parent(path string) string {
	cut, inQuotes := 0, false
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case inQuotes && c == '\\':
			i++
		case c == '"':
			inQuotes = !inQuotes
		case !inQuotes && (c == '.' || c == '['):
			cut = i
		}
	}
	return path[:cut]
}
