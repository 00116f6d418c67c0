package declared

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/encoding/htmlindex"
)

// fromJSON reads a body for a program. A key twice, bytes that are not UTF-8, deep nesting and anything after the end
// are refused with their place. Numbers keep all their digits.
func fromJSON(body []byte, depth int) (any, error) {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	v, err := value(d, depth)
	if err == nil {
		if _, after := d.ReadToken(); !errors.Is(after, io.EOF) {
			err = errors.New("the body has something after its end")
		}
	}
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return nil, fmt.Errorf("%s: the key comes twice", syntax.JSONPointer)
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("the body is not JSON, after %d bytes: %w", syntax.ByteOffset, syntax.Err)
	case errors.Is(err, io.EOF):
		return nil, errors.New("the body is not JSON: it is empty")
	}
	return v, err
}

func value(d *jsontext.Decoder, depth int) (any, error) {
	t, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch t.Kind() {
	case 'n':
		return nil, nil
	case 't', 'f':
		return t.Bool(), nil
	case '"':
		return t.String(), nil
	case '0':
		return json.Number(t.String()), nil
	}
	if d.StackDepth() > depth {
		return nil, fmt.Errorf("%s: nested more than %d deep", d.StackPointer(), depth)
	}
	if t.Kind() == '[' {
		return list(d, depth)
	}
	return object(d, depth)
}

func list(d *jsontext.Decoder, depth int) (any, error) {
	vs := []any{}
	for d.PeekKind() != ']' {
		v, err := value(d, depth)
		if err != nil {
			return nil, err
		}
		vs = append(vs, v)
	}
	_, err := d.ReadToken()
	return vs, err
}

func object(d *jsontext.Decoder, depth int) (any, error) {
	m := map[string]any{}
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		name := t.String()
		if m[name], err = value(d, depth); err != nil {
			return nil, err
		}
	}
	_, err := d.ReadToken()
	return m, err
}

// maxElements bounds a body in XML.
const maxElements = 100_000

// element is one that is being read.
type element struct {
	name string
	text strings.Builder
	m    map[string]any
}

// fromXML reads a body for a program, in one way: an element that has neither attributes nor elements in it is its
// text, without the space around it; any other is an object, with attributes under "@name", its text, where it has
// any, under "#text", and under each name of an element in it the list of those, even of one. Namespaces are left out.
// We read it ourselves because the libraries that do keep their settings in package variables and set no limits.
// A document type is refused, and with it every entity that is not one of XML's own five.
func fromXML(body []byte, depth int) (any, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	d.CharsetReader = func(label string, r io.Reader) (io.Reader, error) {
		e, err := htmlindex.Get(label)
		if err != nil {
			return nil, fmt.Errorf("no encoding %q: send UTF-8", label)
		}
		return e.NewDecoder().Reader(r), nil
	}
	open := []*element{{m: map[string]any{}}}
	for n := 0; ; {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return document(open[0])
		}
		if err != nil {
			return nil, fmt.Errorf("the body is not XML, after %d bytes: %w", d.InputOffset(), err)
		}
		switch t := t.(type) {
		case xml.Directive:
			return nil, fmt.Errorf("the body has a document type, after %d bytes: send it without", d.InputOffset())
		case xml.StartElement:
			if n++; n > maxElements || len(open) > depth {
				return nil, fmt.Errorf("the body has over %d elements, or nests more than %d deep", maxElements, depth)
			}
			open = append(open, start(t))
		case xml.CharData:
			open[len(open)-1].text.Write(t)
		case xml.EndElement:
			last := open[len(open)-1]
			open = open[:len(open)-1]
			open[len(open)-1].add(last)
		}
	}
}

// document is what a body holds: one element.
func document(root *element) (any, error) {
	for name, v := range root.m {
		if one := v.([]any); len(one) == 1 && len(root.m) == 1 {
			return map[string]any{name: one[0]}, nil
		}
	}
	return nil, errors.New("the body is not XML: want one element")
}

func start(t xml.StartElement) *element {
	e := &element{name: t.Name.Local, m: map[string]any{}}
	for _, a := range t.Attr {
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" && !strings.HasSuffix(a.Name.Space, "XMLSchema-instance") {
			e.m["@"+a.Name.Local] = a.Value
		}
	}
	return e
}

// add puts an element into the one around it.
func (e *element) add(in *element) {
	text := strings.TrimSpace(in.text.String())
	var v any = text
	if len(in.m) > 0 {
		if text != "" {
			in.m["#text"] = text
		}
		v = in.m
	}
	same, _ := e.m[in.name].([]any)
	e.m[in.name] = append(same, v)
}
