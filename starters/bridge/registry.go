package bridge

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/go-chi/chi/v5"

	"waybill/starters/bridge/connectors"
)

// EventSchema is the contract of one version of one type of event.
type EventSchema struct {
	// Name is that of the schema. It is the type, or told/ and the type for what subscribers are told: a milestone has one
	// type both ways, and two forms.
	Name    string          `json:"name"`
	Type    string          `json:"type"` // with the version at its end; a change that could refuse what was taken is a new type
	Version int             `json:"version"`
	Told    bool            `json:"told"` // to subscribers, by us; false: partners tell it to us
	ID      string          `json:"id"`
	Schema  json.RawMessage `json:"schema"` // JSON Schema 2020-12 of the whole event; its anchor #data is that of its data alone
}

var typeForm = regexp.MustCompile(`^[a-z.]+\.([a-z_]+)\.v([1-9][0-9]*)$`)

// EventSchemas are the events that partners tell us, then those that subscribers are told, each by type. The former are
// parts of the one schema that deliveries are checked by, so that what is published is what holds.
func EventSchemas() (es []EventSchema, _ error) {
	taken, err := schemasOf(eventSchema, "")
	if err != nil {
		return nil, err
	}
	told, err := schemasOf(toldSchema, "told/")
	return append(taken, told...), err
}

// schemasOf are the schemas of the types in a document; their names begin with a prefix.
func schemasOf(document []byte, prefix string) (es []EventSchema, _ error) {
	var whole struct {
		Properties struct {
			Type struct {
				Enum []string `json:"enum"`
			} `json:"type"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(document, &whole); err != nil {
		return nil, fmt.Errorf("bridge: event schema: %w", err)
	}
	for _, t := range slices.Sorted(slices.Values(whole.Properties.Type.Enum)) {
		e, err := schemaOf(document, prefix, t)
		if err != nil {
			return nil, err
		}
		es = append(es, e)
	}
	return es, nil
}

// schemaOf is the schema of events of one type.
func schemaOf(document []byte, prefix, eventType string) (e EventSchema, _ error) {
	form := typeForm.FindStringSubmatch(eventType)
	if form == nil {
		return e, fmt.Errorf("bridge: event schema: type %q: want one that ends in .NAME.vN", eventType)
	}
	var schema, properties map[string]json.RawMessage
	if err := json.Unmarshal(document, &schema); err != nil {
		return e, fmt.Errorf("bridge: event schema: %w", err)
	}
	if err := json.Unmarshal(schema["properties"], &properties); err != nil {
		return e, fmt.Errorf("bridge: event schema: %w", err)
	}
	e = EventSchema{Name: prefix + eventType, Type: eventType, Told: prefix != "", ID: connectors.SchemaID(prefix + eventType)}
	e.Version, _ = strconv.Atoi(form[2]) // digits, by the form
	delete(schema, "allOf")
	maps.Copy(properties, map[string]json.RawMessage{
		"type": raw(map[string]string{"const": eventType}), "data": raw(map[string]string{"$anchor": "data", "$ref": "#/$defs/" + form[1]}),
	})
	schema["properties"], schema["$id"], schema["title"] = raw(properties), raw(e.ID), raw(e.title(form[1]))
	e.Schema = raw(schema)
	return e, nil
}

// title says what a schema is of.
func (e EventSchema) title(noun string) string {
	if e.Told {
		return fmt.Sprintf("A subscriber is told: %s of a shipment, version %d", noun, e.Version)
	}
	return fmt.Sprintf("A %s event of a shipment, version %d", noun, e.Version)
}

// serveTypes publishes the types of events, and the schema of each.
func serveTypes(r chi.Router, types []EventSchema) {
	var index []map[string]any
	for _, e := range types {
		index = append(index, map[string]any{"name": e.Name, "type": e.Type, "version": e.Version, "told": e.Told, "id": e.ID, "schema": "/v1/schemas/" + e.Name + ".json"})
		r.Get("/v1/schemas/"+e.Name+".json", serveFile("application/schema+json", e.Schema))
	}
	r.Get("/v1/schemas", serveFile("application/json", raw(index)))
}

func raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("bridge: encode schema: %v", err)) // maps of text and of what was JSON
	}
	return b
}
