package partner

import (
	"errors"
	"strings"
)

// The codes of the problems that a client tells apart; each contract lists all of its own.
const (
	CodeDuplicate  = "duplicate_ref" // 409: another resource holds the external_ref
	CodeInProgress = "in_progress"   // 409: the first request under the key is still being worked on
	CodeKeyReused  = "key_reused"    // 422: the key was used for another request
)

// Problem is an RFC 9457 problem document: why a partner refused a call.
type Problem struct {
	Type      string       `json:"type"`
	Title     string       `json:"title"`
	Status    int          `json:"status"`
	Detail    string       `json:"detail,omitzero"`
	Code      string       `json:"code"`              // stable, for programs; each contract lists its own
	Retryable bool         `json:"retryable"`         // the same request may succeed later, though nobody does anything about it
	Errors    []FieldError `json:"errors,omitempty"`  // what is wrong with the request's body, and where
	Existing  string       `json:"existing,omitzero"` // with a conflict: the id that holds the reference
}

// FieldError is what is wrong with one place in a request's body.
type FieldError struct {
	Pointer string `json:"pointer"` // JSON pointer, "/lines/0/quantity"; "" for the body as a whole
	Code    string `json:"code"`    // the keyword of the schema that does not hold, or a word of the contract's own
	Detail  string `json:"detail,omitzero"`
}

// Error is the partner's words: its detail, else its title, and each place that is wrong.
func (p *Problem) Error() string {
	s := p.Title
	if p.Detail != "" {
		s = p.Detail
	}
	for i, e := range p.Errors {
		s += []string{": ", "; "}[min(i, 1)] + strings.TrimSpace(e.Pointer+" "+orElse(e.Detail, e.Code))
	}
	return s
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// hide removes a secret that a partner repeats, so that it reaches no error, log or history.
func (p *Problem) hide(secret string) {
	texts := []*string{&p.Type, &p.Title, &p.Detail, &p.Code, &p.Existing}
	for i := range p.Errors {
		e := &p.Errors[i]
		texts = append(texts, &e.Pointer, &e.Code, &e.Detail)
	}
	for _, t := range texts {
		*t = strings.ReplaceAll(*t, secret, "***")
	}
}

// ProblemOf is the partner's own words inside an error; nil where there are none.
func ProblemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return nil
}

// Taken reports whether err says that what was to be made is there already, or that its key was used for
// something else: the caller reads what is there and compares.
func Taken(err error) bool {
	p := ProblemOf(err)
	return p != nil && (p.Code == CodeDuplicate || p.Code == CodeKeyReused)
}
