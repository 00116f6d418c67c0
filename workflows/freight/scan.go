package freight

import (
	"errors"
	"fmt"
	"time"
)

// Classifier tells a fact from a forecast. Only an actual scan moves a shipment.
type Classifier string

// The classifiers, as in DCSA's eventClassifierCode.
const (
	Actual    Classifier = "actual"
	Estimated Classifier = "estimated"
	Planned   Classifier = "planned"
)

// ZoneSource says how the instant of a scan was found. No question of money is decided on an assumed one.
type ZoneSource string

// The zone sources.
const (
	ZoneFromPayload  ZoneSource = "payload"
	ZoneFromLocation ZoneSource = "location"
	ZoneAssumedUTC   ZoneSource = "assumed_utc"
)

// FaultParty is who answers for a delay or a failure.
type FaultParty string

// The fault parties.
const (
	FaultCarrier      FaultParty = "carrier"
	FaultShipper      FaultParty = "shipper"
	FaultConsignee    FaultParty = "consignee"
	FaultCustoms      FaultParty = "customs"
	FaultForceMajeure FaultParty = "force_majeure"
	FaultUnknown      FaultParty = "unknown"
)

// DocumentKind says what a document proves.
type DocumentKind string

// The document kinds.
const (
	DocumentPOD       DocumentKind = "pod"
	DocumentSignature DocumentKind = "signature"
	DocumentPhoto     DocumentKind = "photo"
	DocumentReceipt   DocumentKind = "receipt"
	DocumentScale     DocumentKind = "scale_ticket"
)

// DocumentRef points to a document in the store. The bytes, and the name of who signed, stay there.
type DocumentRef struct {
	Kind      DocumentKind `json:"kind"`
	SHA256    string       `json:"sha256"` // of the bytes, lower-case hex, 64 characters: the key in the store
	MediaType string       `json:"mediaType"`
	Size      int64        `json:"size"` // bytes
	Signed    bool         `json:"signed,omitzero"`
}

// Scan is one statement by a partner about one shipment.
type Scan struct {
	Number     int64           `json:"n"`   // place in this shipment's order of arrival, from 1
	Key        string          `json:"key"` // content key: the same statement again has the same key
	Source     string          `json:"source"`
	Milestone  Milestone       `json:"milestone"`
	Classifier Classifier      `json:"classifier"`
	OccurredAt time.Time       `json:"at"`
	ZoneSource ZoneSource      `json:"zone,omitzero"`
	Carrier    CarrierCode     `json:"carrier,omitzero"`
	Reason     string          `json:"reason,omitzero"` // vocabulary of section "reasons" in the event schema
	FaultParty FaultParty      `json:"fault,omitzero"`
	RawCode    string          `json:"raw,omitzero"` // the partner's own code, kept
	ETA        time.Time       `json:"eta,omitzero"` // with eta_updated
	Pieces     Pieces          `json:"pieces,omitzero"`
	Documents  []DocumentRef   `json:"documents,omitempty"`
	Invoice    *CarrierInvoice `json:"invoice,omitempty"` // with charges_received
}

// What one scan may hold, well above what the event schema lets in: a signal sent by hand passes no schema.
const (
	longestText      = 200 // bytes, of any one text of a scan
	documentsPerScan = 50
	linesPerInvoice  = 500
)

// Check says what is wrong with the form of a scan; nil for nothing.
func (s Scan) Check() error {
	switch {
	case s.Number < 1:
		return errors.New("it has no number from 1")
	case !s.Milestone.Known():
		return fmt.Errorf("milestone %q is not known", Clip(string(s.Milestone), longestText))
	case s.Classifier != Actual && s.Classifier != Estimated && s.Classifier != Planned:
		return fmt.Errorf("classifier %q: want %q, %q or %q", Clip(string(s.Classifier), longestText), Actual, Estimated, Planned)
	case s.Key == "" || s.OccurredAt.IsZero():
		return errors.New("it has no key or no time")
	case len(s.Documents) > documentsPerScan:
		return fmt.Errorf("%d documents, at most %d", len(s.Documents), documentsPerScan)
	}
	for _, text := range []string{s.Key, s.Source, string(s.Carrier), s.Reason, string(s.FaultParty), s.RawCode} {
		if len(text) > longestText {
			return fmt.Errorf("a text of %d bytes, at most %d", len(text), longestText)
		}
	}
	if s.Invoice != nil {
		return s.Invoice.Check()
	}
	return nil
}

// Check says what is wrong with the form of a carrier's invoice; nil for nothing. Whether it is right is for the
// audit rules.
func (inv CarrierInvoice) Check() error {
	if inv.Number == "" || len(inv.Number) > longestText || len(inv.Lines) == 0 || len(inv.Lines) > linesPerInvoice {
		return fmt.Errorf("invoice %q with %d lines: want a number and 1 to %d lines", Clip(inv.Number, longestText), len(inv.Lines), linesPerInvoice)
	}
	if err := inv.Total.Check(); err != nil {
		return fmt.Errorf("invoice %s: total: %w", inv.Number, err)
	}
	for _, c := range inv.Lines {
		if c.Ref == "" || len(c.Ref)+len(c.Code)+len(c.RawCode)+len(c.Quantity)+len(c.Unit) > longestText {
			return fmt.Errorf("invoice %s: a line without a reference, or longer than %d bytes", inv.Number, longestText)
		}
		if err := c.Amount.Check(); err != nil {
			return fmt.Errorf("invoice %s: line %s: %w", inv.Number, c.Ref, err)
		}
	}
	return nil
}

// Pieces counts handling units. The zero value says nothing about quantity.
type Pieces struct {
	Delivered int `json:"delivered"`
	Expected  int `json:"expected"`
}

// Short reports whether fewer pieces were delivered than expected.
func (p Pieces) Short() bool { return p.Expected > 0 && p.Delivered < p.Expected }
