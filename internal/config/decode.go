package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"paddock/internal/value"
)

// decoder puts decoded TOML onto structs. Unlike the library it goes on after a
// wrong type, and knows the key that it happened at.
//
// A struct's keys are its fields with a `toml` tag; embedded structs count as part
// of the struct around them; a pointer tells "not set" from the zero value; a type
// with UnmarshalTOML reads itself.
type decoder struct {
	problems value.Problems
}

type tomlUnmarshaler interface{ UnmarshalTOML(any) error }

// value decodes raw onto dst, which keeps what it held when raw does not fit.
func (d *decoder) value(path string, raw any, dst reflect.Value) {
	if text, ok := raw.(string); ok && strings.ContainsRune(text, 0) {
		d.problems.Addf(path, "the value holds a NUL byte; expected text without one")
		return
	}
	switch u := dst.Addr().Interface().(type) {
	case tomlUnmarshaler:
		d.custom(path, raw, u)
		return
	case encoding.TextUnmarshaler:
		d.text(path, raw, u)
		return
	}
	switch dst.Kind() {
	case reflect.Pointer:
		elem := reflect.New(dst.Type().Elem())
		d.value(path, raw, elem.Elem())
		dst.Set(elem)
	case reflect.Struct:
		d.table(path, raw, dst)
	case reflect.Map:
		d.mapping(path, raw, dst)
	case reflect.Slice:
		d.slice(path, raw, dst)
	default:
		d.scalar(path, raw, dst)
	}
}

// table decodes a TOML table onto a struct.
func (d *decoder) table(path string, raw any, dst reflect.Value) {
	table, ok := raw.(map[string]any)
	if !ok {
		d.wrongType(path, raw, dst.Type())
		return
	}
	fields := keysOf(dst.Type())
	for _, key := range sortedKeys(table) {
		at := value.Join(path, key)
		if index, known := fields[key]; known {
			d.value(at, table[key], dst.FieldByIndex(index))
		} else {
			d.problems.Addf(at, "%s", unknownKey(key, dst.Type()))
		}
	}
}

// mapping decodes a TOML table whose keys are names.
func (d *decoder) mapping(path string, raw any, dst reflect.Value) {
	table, ok := raw.(map[string]any)
	if !ok {
		d.wrongType(path, raw, dst.Type())
		return
	}
	out := reflect.MakeMapWithSize(dst.Type(), len(table))
	for _, name := range sortedKeys(table) {
		elem := withDefaults(dst.Type().Elem())
		d.value(value.Join(path, name), table[name], elem)
		out.SetMapIndex(reflect.ValueOf(name), elem)
	}
	dst.Set(out)
}

// slice decodes an array. Each entry keeps its index, also when it does not fit.
func (d *decoder) slice(path string, raw any, dst reflect.Value) {
	entries := reflect.ValueOf(raw)
	if entries.Kind() != reflect.Slice {
		d.wrongType(path, raw, dst.Type())
		return
	}
	out := reflect.MakeSlice(dst.Type(), 0, entries.Len())
	for i := range entries.Len() {
		elem := withDefaults(dst.Type().Elem())
		d.value(value.Index(path, i), entries.Index(i).Interface(), elem)
		out = reflect.Append(out, elem)
	}
	dst.Set(out)
}

func (d *decoder) scalar(path string, raw any, dst reflect.Value) {
	switch v := raw.(type) {
	case string:
		if dst.Kind() == reflect.String {
			dst.SetString(v)
			return
		}
	case bool:
		if dst.Kind() == reflect.Bool {
			dst.SetBool(v)
			return
		}
	case int64:
		if dst.CanInt() {
			if dst.OverflowInt(v) {
				d.problems.Addf(path, "%d is out of range; expected a smaller number", v)
			} else {
				dst.SetInt(v)
			}
			return
		}
	}
	d.wrongType(path, raw, dst.Type())
}

// custom hands raw to a type that reads itself. When that fails and raw holds
// several values, each is tried alone, so that every wrong one is reported and at
// its own line.
func (d *decoder) custom(path string, raw any, dst tomlUnmarshaler) {
	err := dst.UnmarshalTOML(raw)
	if err == nil {
		return
	}
	before := len(d.problems)
	try := func(at string, part any) {
		probe := reflect.New(reflect.TypeOf(dst).Elem()).Interface().(tomlUnmarshaler)
		if err := probe.UnmarshalTOML(part); err != nil {
			d.problems.Addf(at, "%s", err)
		}
	}
	switch v := raw.(type) {
	case []any:
		for i, entry := range v {
			try(value.Index(path, i), entry)
		}
	case map[string]any:
		for _, key := range sortedKeys(v) {
			try(value.Join(path, key), map[string]any{key: v[key]})
		}
	}
	if len(d.problems) == before {
		d.problems.Addf(path, "%s", err)
	}
}

func (d *decoder) text(path string, raw any, dst encoding.TextUnmarshaler) {
	text, ok := raw.(string)
	if !ok {
		d.wrongType(path, raw, reflect.TypeFor[string]())
		return
	}
	if err := dst.UnmarshalText([]byte(text)); err != nil {
		d.problems.Addf(path, "%s", err)
	}
}

func (d *decoder) wrongType(path string, raw any, t reflect.Type) {
	d.problems.Addf(path, "expected %s, got %s", expected(t), value.TypeName(raw))
}

// expected names a type for a person who writes TOML.
func expected(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string in quotes"
	case reflect.Struct, reflect.Map:
		return "a table"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			return "an array of tables, written with [[ ]]"
		}
		return "an array, each entry " + expected(t.Elem())
	}
	return "a whole number"
}

// keysOf maps each key of a struct to its field.
func keysOf(t reflect.Type) map[string][]int {
	keys := map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		if key := f.Tag.Get("toml"); key != "" {
			if _, twice := keys[key]; twice {
				panic(fmt.Sprintf("%s has the key %s twice", t, key))
			}
			keys[key] = f.Index
		}
	}
	return keys
}

func sortedKeys[T any](table map[string]T) []string {
	return slices.Sorted(maps.Keys(table))
}
