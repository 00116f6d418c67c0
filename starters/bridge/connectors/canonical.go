// Package connectors turns what partners send into scans. Each source has a connector; the canonical one reads
// the events of our own schema.
package connectors

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/bojanz/currency"

	"waybill/internal/store"
	"waybill/workflows/freight"
)

// Connector reads deliveries of one kind of source.
type Connector interface {
	// ID is its name and version, as gls@1: it is kept with what the connector read.
	ID() string
	// Decode returns the scans of a delivery; an error says why it cannot be used, and what its sender should do.
	Decode(d store.Delivery, now time.Time) ([]store.Incoming, error)
}

// Read decodes a delivery as of when it was received, so that it is read alike whenever that is, and takes a connector
// that fails on it for one that cannot read it.
func Read(c Connector, d store.Delivery) (in []store.Incoming, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("its connector failed on it: %v", p)
		}
	}()
	return c.Decode(d, d.ReceivedAt)
}

// Canonical reads CloudEvents of our own schema.
type Canonical struct{}

var _ Connector = Canonical{}

// ID implements Connector.
func (Canonical) ID() string { return "canonical@1" }

// The event types.
const (
	MilestoneType = "com.waybill.shipment.milestone.v1"
	ChargesType   = "com.waybill.shipment.charges.v1"
)

// Event is a CloudEvents 1.0 envelope in structured mode.
type Event struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Subject     string          `json:"subject,omitzero"` // "shipment/acme-1042" where the sender knows it
	Time        time.Time       `json:"time,omitzero"`
	Data        json.RawMessage `json:"data"`
}

// Milestone is the data of a milestone event.
type Milestone struct {
	Milestone  freight.Milestone   `json:"milestone"`
	Classifier freight.Classifier  `json:"classifier,omitzero"` // actual where it is not said
	OccurredAt time.Time           `json:"occurredAt"`
	Carrier    freight.CarrierCode `json:"carrier,omitzero"`
	Reason     string              `json:"reason,omitzero"`
	FaultParty freight.FaultParty  `json:"faultParty,omitzero"`
	RawCode    string              `json:"rawCode,omitzero"`
	ETA        time.Time           `json:"eta,omitzero"`
	Pieces     freight.Pieces      `json:"pieces,omitzero"`
	References []freight.Reference `json:"references,omitempty"`
	Documents  []Document          `json:"documents,omitempty"`

	Precision  freight.Precision  `json:"precision,omitzero"`  // to the instant where it is not said
	ZoneSource freight.ZoneSource `json:"zoneSource,omitzero"` // payload where it is not said
	Place      freight.Location   `json:"place,omitzero"`
	Parcel     freight.ParcelID   `json:"parcel,omitzero"`
	Leg        freight.Position   `json:"leg,omitzero"`
	Stop       freight.Position   `json:"stop,omitzero"`
	Quantities []freight.Quantity `json:"quantities,omitempty"`
	Statement  string             `json:"statement,omitzero"`
	Retracts   *Retracts          `json:"retracts,omitempty"`
}

// Retracts names a statement of the same source that is taken back.
type Retracts struct {
	Statement  string            `json:"statement,omitzero"`
	Milestone  freight.Milestone `json:"milestone,omitzero"`
	OccurredAt time.Time         `json:"occurredAt,omitzero"`
}

// Document is a file inside an event.
type Document struct {
	Kind      freight.DocumentKind `json:"kind"`
	MediaType string               `json:"mediaType"`
	Content   string               `json:"content"` // base64
	Signer    string               `json:"signer,omitzero"`
}

// Charges is the data of a charges event: a carrier's invoice for one shipment.
type Charges struct {
	Carrier    freight.CarrierCode `json:"carrier"`
	OccurredAt time.Time           `json:"occurredAt"`
	References []freight.Reference `json:"references,omitempty"`
	Invoice    struct {
		Number string        `json:"number"`
		Total  freight.Money `json:"total"`
		Lines  []ChargeLine  `json:"lines"`
	} `json:"invoice"`
}

// ChargeLine is one line of a carrier's invoice.
type ChargeLine struct {
	Line     string             `json:"line"`
	Code     freight.ChargeCode `json:"code"`
	RawCode  string             `json:"rawCode,omitzero"`
	Amount   freight.Money      `json:"amount"`
	Quantity string             `json:"quantity,omitzero"`
	Unit     string             `json:"unit,omitzero"`
}

// Decode implements Connector.
func (Canonical) Decode(d store.Delivery, now time.Time) ([]store.Incoming, error) {
	var e Event
	if err := json.Unmarshal(d.Body, &e); err != nil {
		return nil, fmt.Errorf("the body is no JSON event: %w", err)
	}
	in, err := decodeData(e, saidBy(e, d.Source))
	if err != nil {
		return nil, err
	}
	if id, ok := strings.CutPrefix(e.Subject, "shipment/"); ok {
		in.References = append(in.References, freight.Reference{Kind: freight.RefShipment, Value: id})
	}
	if len(in.References) == 0 {
		return nil, fmt.Errorf("/subject: the event names no shipment: give subject or data.references")
	}
	if err := plausible(in.Scan, now); err != nil {
		return nil, err
	}
	in.Scan.Key = contentKey(in)
	return []store.Incoming{in}, nil
}

func decodeData(e Event, source string) (store.Incoming, error) {
	switch e.Type {
	case MilestoneType:
		var m Milestone
		if err := json.Unmarshal(e.Data, &m); err != nil {
			return store.Incoming{}, fmt.Errorf("/data: %w", err)
		}
		return m.incoming(source)
	case ChargesType:
		var c Charges
		if err := json.Unmarshal(e.Data, &c); err != nil {
			return store.Incoming{}, fmt.Errorf("/data: %w", err)
		}
		return c.incoming(source), nil
	}
	return store.Incoming{}, fmt.Errorf("/type: %q is not one of ours", e.Type)
}

func (m Milestone) incoming(source string) (in store.Incoming, err error) {
	in.References = m.References
	in.Scan = freight.Scan{
		Source: source, Milestone: m.Milestone, Classifier: m.Classifier, OccurredAt: m.OccurredAt.UTC(), ZoneSource: freight.ZoneFromPayload,
		Carrier: m.Carrier, Reason: m.Reason, FaultParty: m.FaultParty, RawCode: m.RawCode, ETA: m.ETA.UTC(), Pieces: m.Pieces,
		Precision: m.Precision, Place: m.Place, Parcel: m.Parcel, Leg: m.Leg, Stop: m.Stop, Quantities: m.Quantities, Statement: m.Statement,
	}
	if m.ZoneSource != "" {
		in.Scan.ZoneSource = m.ZoneSource
	}
	if r := m.Retracts; r != nil {
		in.Scan.Retracts = &freight.Retracts{Statement: r.Statement, Milestone: r.Milestone, At: r.OccurredAt.UTC()}
		if r.OccurredAt.IsZero() {
			in.Scan.Retracts.At = time.Time{}
		}
		if err := in.Scan.Retracts.Check(); err != nil {
			return in, fmt.Errorf("/data/retracts: %w", err)
		}
	}
	for name, p := range map[string]freight.Position{"leg": m.Leg, "stop": m.Stop} {
		if err := p.Check(); err != nil {
			return in, fmt.Errorf("/data/%s: %w", name, err)
		}
	}
	if m.ETA.IsZero() {
		in.Scan.ETA = time.Time{}
	}
	if in.Scan.Classifier == "" {
		in.Scan.Classifier = freight.Actual
	}
	if !m.Milestone.Known() {
		return in, fmt.Errorf("/data/milestone: %q is not one of ours", m.Milestone)
	}
	for i, d := range m.Documents {
		body, err := base64.StdEncoding.DecodeString(d.Content)
		if err != nil {
			return in, fmt.Errorf("/data/documents/%d/content: it is not base64", i)
		}
		sum := sha256.Sum256(body)
		hash := hex.EncodeToString(sum[:])
		in.Documents = append(in.Documents, store.Document{SHA256: hash, MediaType: d.MediaType, Signer: d.Signer, Body: body})
		in.Scan.Documents = append(in.Scan.Documents, freight.DocumentRef{
			Kind: d.Kind, SHA256: hash, MediaType: d.MediaType, Size: int64(len(body)), Signed: d.Signer != "" || d.Kind == freight.DocumentSignature,
		})
	}
	return in, nil
}

func (c Charges) incoming(source string) store.Incoming {
	inv := &freight.CarrierInvoice{Carrier: c.Carrier, Number: c.Invoice.Number, Total: c.Invoice.Total}
	for _, l := range c.Invoice.Lines {
		inv.Lines = append(inv.Lines, freight.Charge{Ref: c.Invoice.Number + "/" + l.Line, Code: l.Code, RawCode: l.RawCode, Amount: l.Amount, Quantity: l.Quantity, Unit: l.Unit})
	}
	return store.Incoming{References: c.References, Scan: freight.Scan{
		Source: source, Milestone: freight.ChargesReceived, Classifier: freight.Actual, OccurredAt: c.OccurredAt.UTC(), ZoneSource: freight.ZoneFromPayload, Carrier: c.Carrier, Invoice: inv,
	}}
}

// absurd is the amount from which a charge is a typing error: no line of freight costs a million.
const absurd = "1000000"

// amountForm is how an amount is written. The decimal library would read "1e999999999" too, and work on it for ever.
var amountForm = regexp.MustCompile(`^-?[0-9]{1,15}(\.[0-9]{1,4})?$`)

// earliest and ahead bound what can be a time of a shipment's event, or of what is expected.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	ahead = 366 * 24 * time.Hour
	// clockSlack is how far ahead of us an actual event may lie: a local time sent as UTC is at most 14 hours ahead.
	clockSlack = 24 * time.Hour
)

func plausible(s freight.Scan, now time.Time) error {
	if err := plausibleTime(s.OccurredAt, now, "/data/occurredAt"); err != nil {
		return err
	}
	if s.Classifier == freight.Actual && s.OccurredAt.After(now.Add(clockSlack)) {
		return fmt.Errorf("/data/occurredAt: %s is to come, so it is not actual: send classifier estimated or planned, or the time it happened", s.OccurredAt.Format(time.RFC3339))
	}
	if !s.ETA.IsZero() {
		if err := plausibleTime(s.ETA, now, "/data/eta"); err != nil {
			return err
		}
	}
	if s.Invoice != nil {
		return plausibleInvoice(*s.Invoice)
	}
	return nil
}

func plausibleTime(t, now time.Time, pointer string) error {
	if t.Before(earliest) || t.After(now.Add(ahead)) {
		return fmt.Errorf("%s: %s cannot be: send a time from 2000 to a year ahead, with its zone", pointer, t.Format(time.RFC3339))
	}
	return nil
}

// plausibleInvoice wants each line once, and all in the currency of the total.
func plausibleInvoice(inv freight.CarrierInvoice) error {
	if err := plausibleMoney(inv.Total, "/data/invoice/total"); err != nil {
		return err
	}
	refs := map[string]bool{}
	for i, l := range inv.Lines {
		at := fmt.Sprintf("/data/invoice/lines/%d", i)
		if err := plausibleMoney(l.Amount, at+"/amount"); err != nil {
			return err
		}
		if l.Amount.Currency != inv.Total.Currency {
			return fmt.Errorf("%s/amount/currency: %s, and the total is in %s: send an invoice in one currency", at, l.Amount.Currency, inv.Total.Currency)
		}
		if refs[l.Ref] {
			return fmt.Errorf("%s/line: %s comes twice: give each line a number of its own", at, l.Ref)
		}
		refs[l.Ref] = true
	}
	return nil
}

func plausibleMoney(m freight.Money, pointer string) error {
	if !amountForm.MatchString(m.Number) {
		return fmt.Errorf("%s/number: write digits and at most 4 decimals, as in \"150.00\"", pointer)
	}
	if err := m.Check(); err != nil {
		return fmt.Errorf("%s: %w", pointer, err)
	}
	if digits, ok := currency.GetDigits(m.Currency); ok && !m.Rounded().Equal(m) {
		return fmt.Errorf("%s: %s has more than %d decimals", pointer, m, digits)
	}
	if c, err := m.Abs().Cmp(freight.Money{Number: absurd, Currency: m.Currency}); err != nil || c >= 0 {
		return fmt.Errorf("%s: %s is too large to be true: correct it", pointer, m)
	}
	return nil
}

// contentKey is the same for the same statement, whatever id it comes under.
func contentKey(in store.Incoming) string {
	s := in.Scan
	s.Number, s.Key = 0, ""
	b, err := json.Marshal(struct {
		Scan freight.Scan
		Refs []freight.Reference
	}{s, in.References})
	if err != nil {
		panic(fmt.Sprintf("connectors: encode scan: %v", err)) // plain structs
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
