package declared

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/itchyny/gojq"

	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/workflows/freight"
)

// Connector is a definition ready for use. It holds no state of deliveries and can be used by many at a time.
type Connector struct {
	Definition
	partner connectors.Partner
	zones   connectors.Zones
	zone    *time.Location // of local times; nil: UTC is assumed
	code    *gojq.Code
}

var _ connectors.Connector = (*Connector)(nil)

// Decode implements connectors.Connector.
func (c *Connector) Decode(d store.Delivery, now time.Time) ([]store.Incoming, error) {
	return c.partner.Decode(d, now)
}

// Explain decodes a delivery and says how each scan came about.
func (c *Connector) Explain(d store.Delivery, now time.Time) ([]connectors.Explained, error) {
	return c.partner.Explain(d, now)
}

// Accepting is the connector, taking deliveries that are marked as a test too: for a deployment that is one itself.
func (c *Connector) Accepting(tests bool) *Connector {
	other := *c
	other.partner.Tests = tests
	return &other
}

func (c *Connector) read(body []byte) (b connectors.Batch, err error) {
	if int64(len(body)) > c.Limits.Bytes {
		return b, fmt.Errorf("the body is over %d bytes", c.Limits.Bytes)
	}
	from := fromJSON
	if c.Content == "xml" {
		from = fromXML
	}
	v, err := from(body, c.Limits.Depth)
	if err != nil {
		return b, err
	}
	out, err := c.run(v)
	if err != nil {
		return b, err
	}
	for i, v := range out {
		r, test, err := c.reading(v, i)
		if err != nil {
			return b, fmt.Errorf("the program of %s, event %d: %w", c.ID(), i+1, err)
		}
		b.Test = b.Test || test
		b.Readings = append(b.Readings, r)
	}
	return b, nil
}

// told is what a program says of one event, each field as text.
type told struct {
	at, eta string
	test    bool
	r       connectors.Reading
}

// fields are the words a program may use, each with what becomes of it.
var fields = map[string]func(*told, string){
	"code":       func(t *told, s string) { t.r.Codes = append(t.r.Codes, s) },
	"also":       func(t *told, s string) { t.r.Also = append(t.r.Also, s) },
	"why":        func(t *told, s string) { t.r.Why = append(t.r.Why, s) },
	"at":         func(t *told, s string) { t.at = s },
	"eta":        func(t *told, s string) { t.eta = s },
	"classifier": func(t *told, s string) { t.r.Classifier = freight.Classifier(s) },
	"carrier":    func(t *told, s string) { t.r.Carrier = s },
	"tracking":   identity(freight.RefTracking),
	"pro":        identity(freight.RefPRO),
	"bol":        identity(freight.RefBOL),
	"shipment":   reference(freight.RefShipment),
	"order":      reference(freight.RefOrder),
	"reference":  reference(freight.RefCustomer),
	"city":       func(t *told, s string) { t.r.Place.City = s },
	"state":      func(t *told, s string) { t.r.Place.State = s },
	"country":    func(t *told, s string) { t.r.Place.Country = s },
	"text":       func(t *told, s string) { t.r.Text = s },
	"parcel":     func(t *told, s string) { t.r.Parcel = s },
	"parcels":    func(t *told, s string) { _, _ = fmt.Sscan(s, &t.r.Parcels.Of) }, // what is no number says nothing
	"delivered":  func(t *told, s string) { _, _ = fmt.Sscan(s, &t.r.Parcels.Delivered) },
	"whole":      func(t *told, s string) { t.r.Parcels.Whole = s == "true" },
	"leg":        func(t *told, s string) { t.r.Leg = s },
	"signer":     func(t *told, s string) { t.proof(connectors.Evidence{Kind: freight.DocumentSignature, Signer: s}) },
	"signature":  func(t *told, s string) { t.proof(connectors.Evidence{Kind: freight.DocumentSignature, Content: s}) },
	"photo":      func(t *told, s string) { t.proof(connectors.Evidence{Kind: freight.DocumentPhoto, Content: s}) },
	"document":   func(t *told, s string) { t.proof(connectors.Evidence{Kind: freight.DocumentPOD, Content: s}) },
	"proof_url":  func(t *told, s string) { t.proof(connectors.Evidence{Kind: freight.DocumentPOD, URL: s}) },
	"statement":  func(t *told, s string) { t.r.Statement = s },
	"retracts":   func(t *told, s string) { t.r.Retracts = s },
	"test":       func(t *told, s string) { t.test = s == "true" },
}

func (t *told) proof(e connectors.Evidence) { t.r.Evidence = append(t.r.Evidence, e) }

func identity(kind freight.ReferenceKind) func(*told, string) {
	return func(t *told, s string) { t.r.Identity = append(t.r.Identity, freight.Reference{Kind: kind, Value: s}) }
}

func reference(kind freight.ReferenceKind) func(*told, string) {
	return func(t *told, s string) {
		t.r.References = append(t.r.References, freight.Reference{Kind: kind, Value: s})
	}
}

// Words lists the fields a program may use.
func Words() []string { return slices.Sorted(maps.Keys(fields)) }

// reading takes apart what a program made of one event. A field it does not know is an error, not a loss.
func (c *Connector) reading(v any, i int) (r connectors.Reading, test bool, _ error) {
	m, ok := v.(map[string]any)
	if !ok {
		return r, false, fmt.Errorf("it is %s: want an object with code, at and tracking", gojq.TypeOf(v))
	}
	t := &told{r: connectors.Reading{Pointer: fmt.Sprintf("event %d", i+1), Carrier: c.Carrier}}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if err := t.set(name, m[name]); err != nil {
			return r, false, err
		}
	}
	if cl := t.r.Classifier; cl != "" && !slices.Contains(classifiers, cl) {
		return r, false, fmt.Errorf("classifier: %q: want actual, estimated or planned", cl)
	}
	t.r.At, t.r.ETA = c.moment(t.at, t.r.Place), c.moment(t.eta, t.r.Place)
	return t.r, t.test, nil
}

func (t *told) set(name string, v any) error {
	put, ok := fields[name]
	if !ok {
		return fmt.Errorf("%s: want one of %s", name, strings.Join(Words(), ", "))
	}
	vs, several := v.([]any)
	if !several {
		vs = []any{v}
	}
	for _, v := range vs {
		switch v := v.(type) {
		case nil:
		case string:
			if v != "" {
				put(t, v)
			}
		case json.Number, int, float64, bool:
			put(t, fmt.Sprint(v))
		default:
			return fmt.Errorf("%s: it is %s: want text, a number or a list of them", name, gojq.TypeOf(v))
		}
	}
	return nil
}

// moment reads a time. A local one at a place we do not know is one of the connector's zone.
func (c *Connector) moment(text string, at connectors.Place) connectors.Moment {
	m := c.zones.Moment(text, at, c.Layouts...)
	if c.zone == nil || m.Precision != connectors.Local || m.Zone != freight.ZoneAssumedUTC {
		return m
	}
	t := m.Time
	m.Time = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), c.zone).UTC()
	m.Zone = freight.ZoneFromCarrier
	return m
}
