package config

import (
	"fmt"
	"reflect"
	"strings"
)

// unknownKey says of a key that t does not have what was probably meant: a key of
// t spelled almost so, the section that the key belongs to, or else all that t has.
func unknownKey(key string, t reflect.Type) string {
	known := sortedKeys(keysOf(t))
	if near := nearest(key, known); near != "" {
		return fmt.Sprintf("unknown key; did you mean %s?", near)
	}
	if homes := homesOf(key, "", reflect.TypeFor[Config]()); len(homes) > 0 {
		return "unknown key here; it is a key of " + strings.Join(homes, " and ")
	}
	return "unknown key; known here are " + strings.Join(known, ", ")
}

// homesOf lists the sections that have a key, as they are written in the file.
func homesOf(key, path string, t reflect.Type) []string {
	var homes []string
	keys := keysOf(t)
	for _, k := range sortedKeys(keys) {
		f := t.FieldByIndex(keys[k])
		inner, open, end := f.Type, "[", "]"
		name := strings.TrimPrefix(path+"."+k, ".")
		switch f.Type.Kind() {
		case reflect.Map:
			inner, end = f.Type.Elem(), ".NAME]"
		case reflect.Slice:
			inner, open, end = f.Type.Elem(), "[[", "]]"
		}
		if inner.Kind() != reflect.Struct {
			continue
		}
		if _, has := keysOf(inner)[key]; has {
			homes = append(homes, open+name+end)
		}
		homes = append(homes, homesOf(key, name, inner)...)
	}
	return homes
}

// nearest returns the known key that takes the fewest changed letters to reach, if
// at most a third of the key changes; "" when none is that near.
func nearest(key string, known []string) string {
	key = strings.ToLower(strings.ReplaceAll(key, "-", "_"))
	if len(key) > maxKeyLength {
		return ""
	}
	best, bestDistance := "", max(1, len(key)/3)+1
	for _, k := range known {
		if n := distance(key, k); n < bestDistance {
			best, bestDistance = k, n
		}
	}
	return best
}

// maxKeyLength is well above the longest key that is known.
const maxKeyLength = 64

// distance is Levenshtein's: letters inserted, deleted or replaced.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
