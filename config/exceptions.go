package config

import (
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"waybill/workflows/freight"
)

// Exceptions say whose a customer's exceptions are and how soon they are due, where it is otherwise than
// docs/exceptions.md has it.
type Exceptions struct {
	Calendar string            `yaml:"calendar"` // in which the time to when one is due runs; "": always
	Kinds    []ExceptionPolicy `yaml:"kinds"`
}

// ExceptionPolicy is how exceptions of one kind are handled.
type ExceptionPolicy struct {
	Kind  exceptionKind `yaml:"kind"`
	Owner owner         `yaml:"owner"` // "": as in docs/exceptions.md
	Due   span          `yaml:"due"`   // 0: as in docs/exceptions.md
}

// longestDue bounds when an exception is due: what may lie for longer needs nobody.
const longestDue = 90 * 24 * time.Hour

type exceptionKind freight.ExceptionKind

// UnmarshalYAML reads a kind there is.
func (k *exceptionKind) UnmarshalYAML(n *yaml.Node) error {
	*k = exceptionKind(n.Value)
	return oneOf(n, freight.ExceptionKinds(), "a kind of exception that docs/exceptions.md has")
}

type owner freight.Owner

// UnmarshalYAML reads an owner there is, or none.
func (o *owner) UnmarshalYAML(n *yaml.Node) error {
	*o = owner(n.Value)
	return oneOf(n, append(freight.Owners(), ""), fmt.Sprintf("one of %v", freight.Owners()))
}

// oneOf wants a text that is one of some. Its error is of the kind that lets the decoder go on, to say all that is wrong.
func oneOf[T ~string](n *yaml.Node, some []T, want string) error {
	if slices.Contains(some, T(n.Value)) {
		return nil
	}
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %q: want %s", n.Line, n.Value, want)}}
}

func (e Exceptions) check(f *faults, key string, calendars []Calendar) {
	checkCalendar(f, key+".calendar", e.Calendar, calendars)
	seen := map[exceptionKind]bool{}
	for i, k := range e.Kinds {
		at := fmt.Sprintf("%s.kinds[%d]", key, i)
		f.want(k.Kind != "" && !seen[k.Kind], at+".kind", string(k.Kind), "a kind of exception, once")
		f.span(at+".due", time.Duration(k.Due), 0, longestDue)
		seen[k.Kind] = true
	}
}

// terms are checked exceptions as a shipment takes them along; nil where nothing is otherwise.
func (e Exceptions) terms(calendars []Calendar, now time.Time) *freight.ExceptionTerms {
	if e.Calendar == "" && len(e.Kinds) == 0 {
		return nil
	}
	t := &freight.ExceptionTerms{Calendar: calendarOf(e.Calendar, calendars, now)}
	for _, k := range e.Kinds {
		t.Kinds = append(t.Kinds, freight.Handling{Kind: freight.ExceptionKind(k.Kind), Owner: freight.Owner(k.Owner), Within: time.Duration(k.Due)})
	}
	return t
}
