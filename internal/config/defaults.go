package config

import (
	"reflect"

	"paddock/proxy"
	"paddock/supervisor"
)

// withDefaults returns a settable value of the type that holds what its package
// says it is when nothing is set.
func withDefaults(t reflect.Type) reflect.Value {
	out := reflect.New(t).Elem()
	switch v := out.Addr().Interface().(type) {
	case *App:
		*v = App{Supervised: supervisor.DefaultApp(), Proxied: proxy.DefaultApp()}
	case *supervisor.Program:
		*v = supervisor.DefaultProgram()
	case *proxy.Upstream:
		*v = proxy.DefaultUpstream()
	}
	return out
}
