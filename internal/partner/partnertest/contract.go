package partnertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"waybill/internal/partner"
)

// Contract is an OpenAPI 3.1 document, by whose schemas a stand-in judges the bodies it gets.
type Contract struct{ schemas map[string]*jsonschema.Schema }

// MustContract reads a document in YAML. It panics on one that cannot be read: it is part of the program.
func MustContract(document []byte) *Contract {
	c, err := readContract(document)
	if err != nil {
		panic(err)
	}
	return c
}

func readContract(document []byte) (*Contract, error) {
	doc, names, err := asJSON(document)
	if err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("openapi.json", doc); err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	c := &Contract{schemas: map[string]*jsonschema.Schema{}}
	for _, name := range names {
		if c.schemas[name], err = compiler.Compile("openapi.json#/components/schemas/" + name); err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
	}
	return c, nil
}

// asJSON turns the document into what a schema compiler takes, and lists its schemas.
func asJSON(document []byte) (doc any, schemas []string, err error) {
	var api struct {
		Components struct{ Schemas map[string]any }
	}
	var all any
	if err := errors.Join(yaml.Unmarshal(document, &api), yaml.Unmarshal(document, &all)); err != nil {
		return nil, nil, err
	}
	for name := range api.Components.Schemas {
		schemas = append(schemas, name)
	}
	b, err := json.Marshal(all)
	if err != nil {
		return nil, nil, err
	}
	doc, err = jsonschema.UnmarshalJSON(bytes.NewReader(b))
	return doc, schemas, err
}

// wrong are the places of a body that are not as a schema of the contract has them; nil for none.
func (c *Contract) wrong(schema string, body []byte) []partner.FieldError {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return []partner.FieldError{{Code: "json", Detail: err.Error()}}
	}
	var invalid *jsonschema.ValidationError
	if err := c.schemas[schema].Validate(v); !errors.As(err, &invalid) {
		return nil
	}
	return leaves(invalid, message.NewPrinter(language.English))
}

// leaves are the innermost faults, each at the member it is about.
func leaves(v *jsonschema.ValidationError, english *message.Printer) (es []partner.FieldError) {
	for _, cause := range v.Causes {
		es = append(es, leaves(cause, english)...)
	}
	if len(v.Causes) > 0 {
		return es
	}
	keyword := v.ErrorKind.KeywordPath()
	for _, at := range members(v) {
		es = append(es, partner.FieldError{Pointer: pointer(at), Code: keyword[len(keyword)-1], Detail: v.ErrorKind.LocalizedString(english)})
	}
	return es
}

// members are the places a fault is about: of a missing or an unknown member its own, not the object's.
func members(v *jsonschema.ValidationError) (places [][]string) {
	var names []string
	switch k := v.ErrorKind.(type) {
	case *kind.Required:
		names = k.Missing
	case *kind.AdditionalProperties:
		names = k.Properties
	default:
		return [][]string{v.InstanceLocation}
	}
	for _, n := range names {
		places = append(places, append(slices.Clone(v.InstanceLocation), n))
	}
	return places
}

// pointer is RFC 6901.
func pointer(tokens []string) (p string) {
	for _, t := range tokens {
		p += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(t)
	}
	return p
}
