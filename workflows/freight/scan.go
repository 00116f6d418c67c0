package freight

import (
	"cmp"
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

// The zone sources, from best to worst.
const (
	ZoneFromPayload  ZoneSource = "payload"
	ZoneFromLocation ZoneSource = "location"
	ZoneFromCarrier  ZoneSource = "carrier_default" // the zone agreed with the carrier for times without one
	ZoneAssumedUTC   ZoneSource = "assumed_utc"
)

// Precision is how exactly a partner tells when something happened.
type Precision string

// The precisions, from best to worst.
const (
	ToTheInstant Precision = ""       // to the second or better
	ToTheMinute  Precision = "minute" // the seconds are ours
	ToTheDay     Precision = "day"    // the hour is ours
)

// width is how long after its time something told with p may have happened; below 0 for a precision that is none of ours.
func (p Precision) width() time.Duration {
	switch p {
	case ToTheInstant:
		return 0
	case ToTheMinute:
		return time.Minute
	case ToTheDay:
		return day
	}
	return -1
}

// Known reports whether p is one of the precisions above.
func (p Precision) Known() bool { return p.width() >= 0 }

// ParcelID is a carrier's name for one handling unit: a tracking number, a container, a pallet's label.
type ParcelID string

// Position is where on the way of a shipment something is: the nth of so many legs or stops, under the partner's own
// name for it. The zero value says nothing.
type Position struct {
	ID string `json:"id,omitzero"`
	N  int    `json:"n,omitzero"`  // from 1; 0 where the partner does not count
	Of int    `json:"of,omitzero"` // how many there are; 0 where it does not say
}

// most bounds what a partner may count to: legs, stops, pieces.
const most = 100_000

// Check says what is wrong with the form of a position; nil for nothing.
func (p Position) Check() error {
	if p.N < 0 || p.Of < 0 || p.N > most || p.Of > most || p.Of > 0 && p.N > p.Of {
		return fmt.Errorf("position %d of %d: want 1 to %d of as many or more", p.N, p.Of, most)
	}
	return nil
}

// Location is where something happened, as far as a partner tells: never a street.
type Location struct {
	City    string `json:"city,omitzero"`
	Region  string `json:"region,omitzero"`
	Country string `json:"country,omitzero"` // ISO 3166-1 alpha-2
	Code    string `json:"code,omitzero"`    // UN/LOCODE, or the partner's own
}

// Quantity is something a partner has measured or counted.
type Quantity struct {
	Kind   string `json:"kind"`   // weight, volume, length, units
	Number string `json:"number"` // decimal
	Unit   string `json:"unit"`   // UN/ECE Recommendation 20: KGM, LBR, MTQ, or a word agreed with the partner
}

// Retracts names what a partner takes back: a statement by its id, or else the milestone, at that time where one is
// given. Only what the same source said can be taken back by it, and by milestone only what occurred before the
// retraction did. The zero value takes nothing back.
type Retracts struct {
	Statement string    `json:"statement,omitzero"`
	Milestone Milestone `json:"milestone,omitzero"`
	At        time.Time `json:"at,omitzero"`
}

// Check says what is wrong with the form of a retraction; nil for nothing.
func (r Retracts) Check() error {
	switch {
	case r.Statement == "" && r.Milestone == "":
		return errors.New("a retraction names neither a statement nor a milestone")
	case r.Milestone != "" && !r.Milestone.Known():
		return fmt.Errorf("a retraction of %q, which is no milestone", Clip(string(r.Milestone), longestText))
	case r.Milestone == ChargesReceived:
		return errors.New("a carrier's invoice is not taken back: the carrier sends a corrected one")
	case !r.At.IsZero() && !Plausible(r.At):
		return errors.New("a retraction of a time that cannot be")
	}
	return nil
}

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

	Precision  Precision  `json:"precision,omitzero"`
	Place      Location   `json:"place,omitzero"`
	Parcel     ParcelID   `json:"parcel,omitzero"`   // the one it is about; "" for all of the shipment
	Numbered   int        `json:"numbered,omitzero"` // how many tracking numbers the shipment has, where Parcel is one of them; else 0
	Leg        Position   `json:"leg,omitzero"`
	Stop       Position   `json:"stop,omitzero"`
	Quantities []Quantity `json:"quantities,omitempty"`
	Statement  string     `json:"statement,omitzero"` // the partner's own id of it, where the partner may take it back
	Retracts   *Retracts  `json:"retracts,omitempty"` // then it says nothing else
}

// What one scan may hold, well above what the event schema lets in: a signal sent by hand passes no schema.
const (
	longestText       = 200 // bytes, of any one text of a scan
	documentsPerScan  = 50
	linesPerInvoice   = 500
	quantitiesPerScan = 10
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
	case s.Key == "":
		return errors.New("it has no key")
	case !Plausible(s.OccurredAt) || !s.ETA.IsZero() && !Plausible(s.ETA):
		return errors.New("its time is none between the years 2000 and 2200")
	case len(s.Documents) > documentsPerScan:
		return fmt.Errorf("%d documents, at most %d", len(s.Documents), documentsPerScan)
	}
	for _, text := range s.texts() {
		if len(text) > longestText {
			return fmt.Errorf("a text of %d bytes, at most %d", len(text), longestText)
		}
	}
	if s.Invoice != nil {
		return cmp.Or(s.checkParts(), s.Invoice.Check())
	}
	return s.checkParts()
}

// texts are what a partner may write at will.
func (s Scan) texts() []string {
	ts := []string{s.Key, s.Source, string(s.Carrier), s.Reason, string(s.FaultParty), s.RawCode, string(s.ZoneSource), string(s.Parcel), s.Leg.ID, s.Stop.ID, s.Statement,
		s.Place.City, s.Place.Region, s.Place.Country, s.Place.Code, s.Pieces.Unit}
	for _, d := range s.Documents {
		ts = append(ts, string(d.Kind), d.SHA256, d.MediaType)
	}
	for _, q := range s.Quantities {
		ts = append(ts, q.Kind, q.Number, q.Unit)
	}
	if s.Retracts != nil {
		ts = append(ts, s.Retracts.Statement)
	}
	return ts
}

// checkParts says what is wrong with what a scan says of parts of a shipment.
func (s Scan) checkParts() error {
	switch {
	case !s.Precision.Known():
		return fmt.Errorf("precision %q: want %q, %q, or none for an instant", Clip(string(s.Precision), longestText), ToTheMinute, ToTheDay)
	case len(s.Quantities) > quantitiesPerScan:
		return fmt.Errorf("%d quantities, at most %d", len(s.Quantities), quantitiesPerScan)
	case s.Pieces.Delivered < 0 || s.Pieces.Expected < 0 || s.Pieces.Delivered > most || s.Pieces.Expected > most:
		return fmt.Errorf("%d of %d pieces: want 0 to %d", s.Pieces.Delivered, s.Pieces.Expected, most)
	case s.Numbered < 0 || s.Numbered > most:
		return fmt.Errorf("one of %d numbered parcels: want 0 to %d", s.Numbered, most)
	case s.Retracts != nil:
		return s.Retracts.Check()
	}
	return cmp.Or(s.Leg.Check(), s.Stop.Check())
}

// Plausible reports whether t is a time that freight can have. One far outside has no form in JSON in every zone, and
// what cannot be written down would stop the story that holds it.
func Plausible(t time.Time) bool { return t.UTC().Year() >= 2000 && t.UTC().Year() < 2200 }

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
	Delivered int    `json:"delivered"`
	Expected  int    `json:"expected"`
	Unit      string `json:"unit,omitzero"` // "" for parcels; counts of different units are never compared
}

// Short reports whether fewer pieces were delivered than expected.
func (p Pieces) Short() bool { return p.Expected > 0 && p.Delivered < p.Expected }
