package connectors

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Unmarshal reads a body as JSON into v. What parsers read in different ways is refused, with its place: a key twice,
// bytes that are not UTF-8, anything after the end.
func Unmarshal(body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return unreadable(err)
	}
	return nil
}

// unreadable says where a body cannot be read, without the library's own words for it.
func unreadable(err error) error {
	var syntax *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		return fmt.Errorf("%s: the key comes twice", syntax.JSONPointer)
	case errors.As(err, &syntax):
		return fmt.Errorf("the body is not JSON, after %d bytes: %w", syntax.ByteOffset, syntax.Err)
	case errors.As(err, &semantic):
		return fmt.Errorf("%s: %s stands where this connector reads something else: is it the right one?", semantic.JSONPointer, kindName(semantic.JSONKind))
	}
	return fmt.Errorf("the body is not JSON: %w", err)
}

// loose is a text that some partners write as a number.
type loose string

// UnmarshalJSON takes a string, or a number, true or false as it is written. null is empty.
func (l *loose) UnmarshalJSON(b []byte) error {
	v := jsontext.Value(b)
	switch v.Kind() {
	case '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*l = loose(s)
	case 'n':
		*l = ""
	case '0', 't', 'f':
		*l = loose(strings.TrimSpace(string(b)))
	default:
		return errors.New("want text")
	}
	return nil
}

// count is a number that some partners write as text; 0 for what is none.
func (l loose) count() int {
	n, err := strconv.Atoi(string(l))
	if err != nil || n < 0 || n > maxPieces {
		return 0
	}
	return n
}

// maxPieces bounds how many parcels a shipment can have.
const maxPieces = 100_000

// several is a list that some partners write as its only member.
type several[T any] []T

// UnmarshalJSON takes a list, or one member alone.
func (s *several[T]) UnmarshalJSON(b []byte) error {
	if jsontext.Value(b).Kind() == '[' {
		return json.Unmarshal(b, (*[]T)(s))
	}
	var one T
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*s = several[T]{one}
	return nil
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// join makes a code of its parts, without the empty ones.
func join(parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "/")
}

// finest is a status and its reason as a table has the two together: "" where it is not told why.
func finest(status, reason string) string {
	if status == "" || reason == "" {
		return ""
	}
	return status + "/" + reason
}

// kindName is what JSON calls a kind of value.
func kindName(k jsontext.Kind) string {
	return map[jsontext.Kind]string{'n': "null", 't': "true", 'f': "false", '"': "a text", '0': "a number", '{': "an object", '[': "a list"}[k]
}
