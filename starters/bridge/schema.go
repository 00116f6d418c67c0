package bridge

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
)

//go:embed schemas/event.json
var eventSchema []byte

type schema struct{ event *jsonschema.Schema }

func compileSchema() (*schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(eventSchema))
	if err != nil {
		return nil, fmt.Errorf("bridge: event schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("event.json", doc); err != nil {
		return nil, fmt.Errorf("bridge: event schema: %w", err)
	}
	s, err := c.Compile("event.json")
	if err != nil {
		return nil, fmt.Errorf("bridge: event schema: %w", err)
	}
	return &schema{s}, nil
}

// deepest bounds how deep a body may nest; ours nest six deep.
const deepest = 32

// check says why a delivery cannot be used, with a pointer to the place.
func (s *schema) check(d store.Delivery, now time.Time) error {
	if err := wellFormed(d.Body); err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(d.Body))
	if err != nil {
		return fmt.Errorf("the body is not JSON: %w", err)
	}
	if err := s.event.Validate(v); err != nil {
		return violation(err)
	}
	_, err = connectors.Canonical{}.Decode(d, now)
	return err
}

// violation is the deepest fault the schema names.
func violation(err error) error {
	var v *jsonschema.ValidationError
	if !errors.As(err, &v) {
		return err
	}
	for len(v.Causes) > 0 {
		v = v.Causes[0]
	}
	return fmt.Errorf("/%s: %s", strings.Join(v.InstanceLocation, "/"), lastLine(v.Error()))
}

func lastLine(s string) string {
	s = strings.TrimSpace(s[strings.LastIndex(s, "\n")+1:])
	if _, after, ok := strings.Cut(s, "': "); ok {
		return after
	}
	return s
}

// wellFormed refuses what JSON parsers read in different ways: deep nesting, a key twice, anything after the end.
func wellFormed(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	if err := walk(d, 0, ""); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the body has something after its end")
	}
	return nil
}

func walk(d *json.Decoder, depth int, at string) error {
	if depth > deepest {
		return fmt.Errorf("%s: nested more than %d deep", at, deepest)
	}
	t, err := d.Token()
	if err != nil {
		return fmt.Errorf("the body is not JSON: %w", err)
	}
	switch t {
	case json.Delim('{'):
		err = walkObject(d, depth, at)
	case json.Delim('['):
		for i := 0; d.More() && err == nil; i++ {
			err = walk(d, depth+1, fmt.Sprintf("%s/%d", at, i))
		}
	default:
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("the body is not JSON: %w", err)
	}
	return nil
}

func walkObject(d *json.Decoder, depth int, at string) error {
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return fmt.Errorf("the body is not JSON: %w", errors.Join(err))
		}
		if seen[key] {
			return fmt.Errorf("%s/%s: the key comes twice", at, key)
		}
		seen[key] = true
		if err := walk(d, depth+1, at+"/"+key); err != nil {
			return err
		}
	}
	return nil
}
