package value

import "fmt"

// Strings is one string or an array of strings.
type Strings []string

// UnmarshalTOML takes a string or an array of strings.
func (s *Strings) UnmarshalTOML(v any) error {
	const want = "a string or an array of strings"
	switch v := v.(type) {
	case string:
		*s = Strings{v}
		return nil
	case []any:
		list := make(Strings, 0, len(v))
		for i, e := range v {
			text, ok := e.(string)
			if !ok {
				return fmt.Errorf("entry %d is %s; expected %s", i+1, TypeName(e), want)
			}
			list = append(list, text)
		}
		*s = list
		return nil
	}
	return fmt.Errorf("expected %s, got %s", want, TypeName(v))
}
