package declared

import (
	"reflect"

	"github.com/itchyny/gojq"
)

// functions lists the functions and variables that a program uses, wherever in it.
func functions(q *gojq.Query) (names []string) {
	walk(reflect.ValueOf(q), func(f *gojq.Func) { names = append(names, f.Name) })
	return names
}

// walk goes through the parts of a program, which are structs that hold one another.
func walk(v reflect.Value, visit func(*gojq.Func)) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if f, ok := v.Interface().(*gojq.Func); ok {
			visit(f)
		}
		walk(v.Elem(), visit)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				walk(v.Field(i), visit)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), visit)
		}
	}
}
