package notifytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"waybill/starters/bridge"
)

// Schemas are what the bridge publishes of the events that subscribers are told, by type. They are closed here: a
// published one lets properties come that it does not name, and ours may tell none such.
type Schemas map[string]published

// published is the schema of one type.
type published struct {
	id          string
	event, data *jsonschema.Schema
}

// Published reads what the bridge publishes.
func Published(t testing.TB) Schemas {
	t.Helper()
	es, err := bridge.EventSchemas()
	if err != nil {
		t.Fatal(err)
	}
	ss := Schemas{}
	for _, e := range es {
		if !e.Told {
			continue
		}
		if ss[e.Type], err = compile(e); err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
	}
	return ss
}

func compile(e bridge.EventSchema) (p published, err error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Schema))
	if err != nil {
		return p, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(e.ID, closed(doc)); err != nil {
		return p, err
	}
	p.id = e.ID
	if p.event, err = c.Compile(p.id); err != nil {
		return p, err
	}
	p.data, err = c.Compile(p.id + "#data")
	return p, err
}

// closed is a schema that takes no property which it does not name.
func closed(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Collect(maps.Keys(v)) {
			v[k] = closed(v[k])
		}
		if _, names := v["properties"].(map[string]any); names {
			v["additionalProperties"] = false
		}
	case []any:
		for i := range v {
			v[i] = closed(v[i])
		}
	}
	return v
}

// Check says why an event is none that its type's schema takes, or names another as that of its data; nil for nothing.
func (ss Schemas) Check(body []byte) error {
	var said struct {
		Type       string `json:"type"`
		DataSchema string `json:"dataschema"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return err
	}
	p, known := ss[said.Type]
	if !known {
		return fmt.Errorf("there is no schema of type %q", said.Type)
	}
	if id, anchor, _ := strings.Cut(said.DataSchema, "#"); id != p.id || anchor != "data" {
		return fmt.Errorf("dataschema %q is not that of its type, %s#data", said.DataSchema, p.id)
	}
	event, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	if err := p.event.Validate(event); err != nil {
		return err
	}
	return p.data.Validate(event.(map[string]any)["data"]) // an event is an object, by its schema
}
