package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// deepest bounds how deep a body may nest; ours nest six deep.
const deepest = 32

// numberForm bounds a number: an exponent of nine digits is nine bytes to send and a gigabyte to compute with.
var numberForm = regexp.MustCompile(`^-?[0-9]{1,15}(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?$`)

// wellFormed refuses what JSON parsers read in different ways or databases cannot keep: bytes that are not UTF-8,
// deep nesting, a key twice, huge numbers, a zero character, anything after the end.
func wellFormed(body []byte) error {
	if !utf8.Valid(body) {
		return errors.New("the body is not UTF-8")
	}
	w := &walker{Decoder: json.NewDecoder(bytes.NewReader(body))}
	w.UseNumber()
	if err := w.value(); err != nil {
		return err
	}
	if _, err := w.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the body has something after its end: send one event a request")
	}
	return nil
}

// walker goes through a body token by token; nothing is built from it but the path to where it stands.
type walker struct {
	*json.Decoder
	path []string
}

func (w *walker) next() (json.Token, error) {
	t, err := w.Token()
	if err != nil {
		return nil, w.fault(fmt.Sprintf("the body is not JSON, after %d bytes: %v", w.InputOffset(), err))
	}
	return t, nil
}

// fault says what is wrong where the walker stands.
func (w *walker) fault(what string) error {
	return violations{{cut(pointer(w.path...), pointerBytes), cut(what, detailBytes)}}
}

func (w *walker) value() error {
	if len(w.path) > deepest {
		return w.fault(fmt.Sprintf("nested more than %d deep", deepest))
	}
	t, err := w.next()
	if err != nil {
		return err
	}
	switch t := t.(type) {
	case json.Number:
		if !numberForm.MatchString(string(t)) {
			return w.fault("the number is out of range")
		}
	case string:
		return w.text(t)
	case json.Delim:
		if err := w.members(t); err != nil {
			return err
		}
		_, err = w.next() // the end of it
	}
	return err
}

func (w *walker) members(open json.Delim) error {
	seen := map[string]bool{}
	for i := 0; w.More(); i++ {
		w.path = append(w.path, strconv.Itoa(i))
		if open == '{' {
			if err := w.key(seen); err != nil {
				return err
			}
		}
		if err := w.value(); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	return nil
}

// key reads a key. Case does not tell keys apart, since not every parser heeds it.
func (w *walker) key(seen map[string]bool) error {
	t, err := w.next()
	if err != nil {
		return err
	}
	name, ok := t.(string)
	if !ok {
		return w.fault(fmt.Sprintf("the body is not JSON, after %d bytes: want a key", w.InputOffset()))
	}
	w.path[len(w.path)-1] = name
	folded := strings.ToLower(strings.ToUpper(name))
	if seen[folded] {
		return w.fault("the key comes twice, whether or not in one case")
	}
	seen[folded] = true
	return w.text(name)
}

func (w *walker) text(s string) error {
	if strings.ContainsRune(s, 0) {
		return w.fault("the text holds a zero character")
	}
	return nil
}
