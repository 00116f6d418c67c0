package bridge

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
)

//go:embed schemas/event.json
var eventSchema []byte

//go:embed schemas/told.json
var toldSchema []byte

//go:embed openapi.yaml
var openAPI []byte

func serveFile(mediaType string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Cache-Control", "public, max-age=3600")
		_, _ = w.Write(content) // the reader has gone if this fails
	}
}

type schema struct {
	event *jsonschema.Schema
	words *message.Printer
}

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
	return &schema{s, message.NewPrinter(language.English)}, nil
}

// violation is one thing that is wrong with a delivery.
type violation struct {
	Pointer string `json:"pointer"` // RFC 6901; "" is the whole body
	Detail  string `json:"detail"`
}

func (v violation) String() string {
	if v.Pointer == "" {
		return v.Detail
	}
	return v.Pointer + ": " + v.Detail
}

// violations is all that is wrong with a delivery, as far as it is told: never empty.
type violations []violation

func (vs violations) Error() string {
	texts := make([]string, len(vs))
	for i, v := range vs {
		texts[i] = v.String()
	}
	return strings.Join(texts, "; ")
}

const (
	// violationsTold bounds how many are named; a sender mends the first ones first.
	violationsTold = 10
	// detailBytes and pointerBytes bound what is repeated of a body: the list of our milestones has to fit.
	detailBytes  = 900
	pointerBytes = 300
)

// violationsOf reads an error of the form "/pointer: detail".
func violationsOf(err error) (vs violations) {
	if errors.As(err, &vs) {
		return vs
	}
	at, detail, ok := strings.Cut(err.Error(), ": ")
	if !ok || !strings.HasPrefix(at, "/") {
		at, detail = "", err.Error()
	}
	return violations{{cut(at, pointerBytes), cut(detail, detailBytes)}}
}

// check says why a delivery cannot be used: nil if it can.
func (s *schema) check(d store.Delivery, now time.Time) violations {
	if err := wellFormed(d.Body); err != nil {
		return violationsOf(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(d.Body))
	if err != nil {
		return violationsOf(fmt.Errorf("the body is not JSON: %w", err))
	}
	if err := s.event.Validate(v); err != nil {
		return s.violations(err)
	}
	load, err := connectors.ReleaseOf(d)
	if load == nil && err == nil {
		_, err = (connectors.Canonical{}).Decode(d, now)
	}
	if err != nil {
		return violationsOf(err)
	}
	return nil
}

// violations are the places the schema names, each with what it wants there.
func (s *schema) violations(err error) (vs violations) {
	var top *jsonschema.ValidationError
	if !errors.As(err, &top) {
		return violationsOf(err)
	}
	var leaves func(*jsonschema.ValidationError)
	leaves = func(v *jsonschema.ValidationError) {
		for _, c := range v.Causes {
			leaves(c)
		}
		if len(v.Causes) == 0 && len(vs) < violationsTold {
			vs = append(vs, violation{cut(pointer(v.InstanceLocation...), pointerBytes), cut(v.ErrorKind.LocalizedString(s.words), detailBytes)})
		}
	}
	leaves(top)
	return vs
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// pointer is the JSON pointer of a place.
func pointer(tokens ...string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString("/" + pointerEscapes.Replace(t))
	}
	return b.String()
}
