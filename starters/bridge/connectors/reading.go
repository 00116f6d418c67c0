package connectors

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"waybill/internal/store"
	"waybill/workflows/freight"
)

// Reading is one statement about one shipment as a partner wrote it, before a table gives it meaning.
type Reading struct {
	Pointer    string   // where it stands in the delivery, RFC 6901; "" for all of it
	Codes      []string // the most telling first: the first that the table has counts, the first that is not empty is kept
	Finest     string   // a code with its reason, or with none: it goes before Codes where the table has it; what tells it is in these
	Also       []string // what a second field says of the same; if one of the two is delivery, both must be
	Why        []string // codes for the reason, the most telling first
	At         Moment
	Classifier freight.Classifier // "": actual
	Carrier    string             // as the partner names it
	Identity   []freight.Reference
	References []freight.Reference // the numbers it knows the shipment by, beside those of its identity
	Place      Place
	Text       string // the partner's own words
	ETA        Moment
	Evidence   []Evidence
	Parcel     string // the handling unit it is about
	Leg        string // the part of the way it is about
	Parcels    Parcels
	Statement  string // the partner's own id of it, where it may be taken back under that
	Retracts   string // the partner's id of an earlier statement that this one takes back
}

// Parcels says how a parcel stands among those of its shipment. The zero value says nothing.
type Parcels struct {
	Of        int  // parcels in the shipment
	Delivered int  // of them, as this delivery shows
	Whole     bool // the statement is about the shipment, not about one of its parcels
	Tracked   bool // each has a tracking number, and a statement that names no parcel is about that of its own number
}

// Evidence is what a partner gives to prove a delivery.
type Evidence struct {
	Kind    freight.DocumentKind
	Content string // base64; "" where only a name or an address is given
	URL     string // where the partner keeps it; nobody fetches it here
	Signer  string
}

// Batch is what one delivery says.
type Batch struct {
	Readings []Reading
	Test     bool // the partner marks it as a test
}

// estimate adds what a partner expects, as of when it said so; a time that it said at no time is of no use.
func (b *Batch) estimate(r Reading, pointer, code string, eta Moment) {
	if !eta.Told() || !r.At.Told() {
		return
	}
	r.Pointer, r.Codes, r.Finest, r.Also, r.Why, r.Evidence = pointer, []string{code}, "", nil, nil, nil
	r.Classifier, r.ETA = freight.Estimated, eta
	b.Readings = append(b.Readings, r)
}

// later is the later of two moments.
func later(a, b Moment) Moment {
	if b.Time.After(a.Time) {
		return b
	}
	return a
}

// Explained is a scan with how it came about.
type Explained struct {
	store.Incoming
	Reading Reading
	Code    string // of the table's row; "" for none
	Table   string // easypost@1
	Silent  bool   // no scan comes of it: it says nothing about the freight, or says again what another said
}

// Where says in words where the statement stands in its delivery.
func (e Explained) Where() string { return cmp.Or(e.Reading.Pointer, "the delivery") }

// Partner is a connector made of a reader, which knows how a partner writes, and a table, which knows what its codes mean.
type Partner struct {
	Table
	// Read takes a delivery apart. An error says what its sender should do.
	Read func(body []byte) (Batch, error)
	// Tests lets deliveries through that are marked as a test: for a deployment that is one itself.
	Tests bool
}

var _ Connector = Partner{}

const (
	// MaxReadings bounds what one delivery may say: a history of 5,000 scans is read, ten times a long one.
	MaxReadings = 10_000
	maxCode     = 60  // bytes of a partner's code
	maxKept     = 40  // bytes of a code as a scan keeps it
	maxCarrier  = 20  // bytes
	maxValue    = 100 // bytes of a reference
	maxRefs     = 20
)

// Decode implements Connector: one scan for each statement that is new in the delivery and says something.
func (p Partner) Decode(d store.Delivery, now time.Time) (in []store.Incoming, _ error) {
	es, err := p.Explain(d, now)
	for _, e := range es {
		if !e.Silent {
			in = append(in, e.Incoming)
		}
	}
	return in, err
}

// Explain decodes a delivery and says how each scan came about.
func (p Partner) Explain(d store.Delivery, now time.Time) ([]Explained, error) {
	b, err := p.Read(d.Body)
	switch {
	case err != nil:
		return nil, err
	case b.Test && !p.Tests:
		return nil, errors.New("the delivery is marked as a test: a test never becomes a scan")
	case len(b.Readings) == 0:
		return nil, errors.New("the delivery tells of no event")
	case len(b.Readings) > MaxReadings:
		return nil, fmt.Errorf("the delivery tells of %d events: send at most %d at a time", len(b.Readings), MaxReadings)
	}
	return p.explainAll(b.Readings, d, now)
}

// explainAll explains each reading. A delivery without one time that can be is refused: it can be read again when
// someone has seen to why.
func (p Partner) explainAll(rs []Reading, d store.Delivery, now time.Time) ([]Explained, error) {
	es := make([]Explained, 0, len(rs))
	seen, timed := make(map[string]bool, len(rs)), false
	for _, r := range rs {
		e, err := p.explain(r, d, now)
		if err != nil {
			return nil, err
		}
		timed = timed || e.Scan.Reason != string(freight.ReasonTimeImplausible)
		e.Silent = e.Silent || seen[e.Scan.Key]
		seen[e.Scan.Key] = true
		es = append(es, e)
	}
	if !timed {
		return nil, fmt.Errorf("%s: %s", es[0].Where(), es[0].Surprise)
	}
	return es, nil
}

func (p Partner) explain(r Reading, d store.Delivery, now time.Time) (Explained, error) {
	e := Explained{Reading: r, Table: p.ID()}
	carrier := p.carrier(r.Carrier)
	e.References = references(carrier, r)
	e.Scan = freight.Scan{Source: d.Source, Classifier: r.Classifier, OccurredAt: r.At.Time, ZoneSource: r.At.Zone, Carrier: carrier, Precision: r.At.exactness(), Place: r.Place.location(), Statement: cut(r.Statement, maxValue)}
	e.Scan.Leg.ID = cut(r.Leg, maxValue)
	if e.Scan.Classifier == "" {
		e.Scan.Classifier = freight.Actual
	}
	if i := slices.IndexFunc(r.Codes, func(c string) bool { return c != "" }); i >= 0 {
		e.Scan.RawCode = cut(r.Codes[i], maxKept)
	}
	p.classify(&e)
	e.parcels()
	e.evidence()
	e.eta(now)
	e.plausible(d, now)
	e.Scan.Key = e.key()
	if len(e.References) == 0 {
		e.anonymous(d)
	}
	return e, nil
}

// anonymous is of a statement that names no shipment: it is kept for people, who may know whose it is. Another delivery
// that says the same may be of another shipment.
func (e *Explained) anonymous(d store.Delivery) {
	e.Surprise = fmt.Sprintf("%s: the event names no shipment: ask its sender for the tracking number", e.Where())
	e.Scan.Key = contentKey(store.Incoming{Scan: e.Scan, References: []freight.Reference{{Kind: "said", Value: e.Scan.Key}, {Kind: "delivery", Value: d.ID}}})
}

// classify gives the statement its meaning by the table. What the table does not have is kept unclassified; it is
// never taken for a delay.
func (p Partner) classify(e *Explained) {
	r, s := e.Reading, &e.Scan
	if r.Retracts != "" {
		s.Milestone, s.Classifier, s.RawCode = freight.Unclassified, freight.Actual, cut("retracts "+r.Retracts, maxKept)
		s.Retracts = &freight.Retracts{Statement: cut(r.Retracts, maxValue)}
		e.because(freight.ReasonRetracted, "")
		return
	}
	code, row, ok := p.find(append([]string{r.Finest}, r.Codes...))
	if !ok {
		e.unclassified(freight.ReasonCodeUnknown, fmt.Sprintf("code %q is not in mapping %s", strings.Join(r.Codes, ", "), p.ID()))
		return
	}
	also, other, both := p.find(r.Also)
	if both && (row.Milestone == freight.Delivered) != (other.Milestone == freight.Delivered) {
		e.unclassified(freight.ReasonContradictory, fmt.Sprintf("%q says %s and %q says %s", code, row.Milestone, also, other.Milestone))
		s.RawCode = cut(code+" and "+also, maxKept)
		return
	}
	e.Code, s.Milestone, e.Silent = code, row.Milestone, row.Milestone == Nothing
	if row.Classifier != "" {
		s.Classifier = row.Classifier
	}
	why := row.Reason
	if why == "" {
		why = p.reason(r.Why)
	}
	e.because(why, row.Fault)
	if s.Milestone == freight.Unclassified {
		e.Surprise = fmt.Sprintf("code %q moves nothing by mapping %s: what has happened stands in the delivery, or its sender knows", strings.Join(r.Codes, ", "), p.ID())
	}
}

func (e *Explained) because(why freight.Reason, fault freight.FaultParty) {
	e.Scan.Reason, e.Scan.FaultParty = string(why), fault
	if fault == "" && why != "" {
		e.Scan.FaultParty = why.FaultParty()
	}
}

func (e *Explained) unclassified(why freight.Reason, surprise string) {
	e.Scan.Milestone, e.Surprise = freight.Unclassified, surprise
	e.because(why, "")
}

// parcels keeps the delivery of one parcel from passing for that of the shipment: it is that of the parcel where it has
// a name, else a part. A shipment that has but one parcel is meant as a whole.
func (e *Explained) parcels() {
	p, s := e.Reading.Parcels, &e.Scan
	name := e.Reading.Parcel
	if name == "" && p.Tracked && p.Of > 1 {
		name = e.Reading.number()
	}
	if p.Of != 1 && !p.Whole && !strings.Contains(name, ",") {
		s.Parcel = freight.ParcelID(cut(name, maxValue))
	}
	if s.Milestone != freight.Delivered || s.Classifier != freight.Actual || p.Of <= 1 {
		return
	}
	if p.Whole {
		p.Delivered = p.Of
	}
	s.Pieces = freight.Pieces{Delivered: min(max(p.Delivered, 1), p.Of), Expected: p.Of}
	switch {
	case !s.Pieces.Short():
		s.Parcel = "" // the last of them: the shipment is delivered
	case s.Parcel == "":
		s.Milestone = freight.PartiallyDelivered
	}
}

// number is the tracking number that a statement comes under; "" for none. Of two, as where the carrier has a second to
// tell numbers apart that it gives again, it is the one on the label.
func (r Reading) number() (n string) {
	for _, ref := range r.Identity {
		if ref.Kind == freight.RefTracking {
			n = strings.TrimSpace(ref.Value)
		}
	}
	return n
}

// The types of file that are kept as evidence, as their first bytes tell.
var evidenceTypes = []string{"application/pdf", "image/png", "image/jpeg", "image/gif", "image/tiff"}

// evidence keeps what proves the delivery. A name or an address is the partner's word, and no signed document.
func (e *Explained) evidence() {
	var word []string
	signer := ""
	for _, v := range e.Reading.Evidence {
		if v.Signer != "" {
			signer = v.Signer
			word = append(word, "signed by: "+v.Signer)
		}
		if v.URL != "" {
			word = append(word, string(v.Kind)+": "+v.URL)
		}
		if v.Content == "" {
			continue
		}
		if err := e.attach(v); err != nil {
			e.Surprise = err.Error()
		}
	}
	if len(word) > 0 {
		body := []byte("The carrier states, without a signature of its own:\n" + strings.Join(slices.Compact(word), "\n") + "\n")
		e.add(freight.DocumentRef{Kind: freight.DocumentSignature, MediaType: "text/plain"}, store.Document{Signer: cut(signer, maxValue), Body: body})
	}
}

func (e *Explained) attach(v Evidence) error {
	text := v.Content
	if i := strings.Index(text, ";base64,"); strings.HasPrefix(text, "data:") && i > 0 {
		text = text[i+len(";base64,"):]
	}
	body, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("the %s is not base64: it was left out", v.Kind)
	}
	media, ok := EvidenceType(body)
	if !ok {
		return fmt.Errorf("the %s is of type %s: want PDF, PNG, JPEG, GIF or TIFF; it was left out", v.Kind, media)
	}
	signed := v.Kind == freight.DocumentSignature || v.Kind == freight.DocumentPOD && v.Signer != ""
	e.add(freight.DocumentRef{Kind: v.Kind, MediaType: media, Signed: signed}, store.Document{Signer: cut(v.Signer, maxValue), Body: body})
	return nil
}

// EvidenceType is what the bytes of a document are, as a media type; false where it is none that is kept as evidence.
func EvidenceType(body []byte) (media string, ok bool) {
	media = mediaType(body)
	return media, slices.Contains(evidenceTypes, media)
}

// mediaType is what the bytes are; TIFF is not among those the standard library knows.
func mediaType(body []byte) string {
	if len(body) >= 4 && (string(body[:4]) == "II*\x00" || string(body[:4]) == "MM\x00*") {
		return "image/tiff"
	}
	return http.DetectContentType(body)
}

func (e *Explained) add(ref freight.DocumentRef, doc store.Document) {
	ref.SHA256, ref.Size = hash(doc.Body), int64(len(doc.Body))
	doc.SHA256, doc.MediaType = ref.SHA256, ref.MediaType
	e.Documents = append(e.Documents, doc)
	e.Scan.Documents = append(e.Scan.Documents, ref)
}

// eta keeps a forecast that can be one.
func (e *Explained) eta(now time.Time) {
	eta := e.Reading.ETA
	if !eta.Told() || e.Scan.Classifier == freight.Actual {
		return
	}
	if plausibleTime(eta.Time, now, "") != nil {
		e.Surprise = fmt.Sprintf("the estimate %q cannot be: it was left out", eta.Raw)
		return
	}
	e.Scan.ETA = eta.Time
}

// plausible keeps a statement whose time cannot be, under the time we received it: a history is not refused for one
// of its lines, and no milestone stands on such a time.
func (e *Explained) plausible(d store.Delivery, now time.Time) {
	s := &e.Scan
	switch {
	case e.Silent:
		return
	case !e.Reading.At.Told():
		e.unclassified(freight.ReasonTimeImplausible, "the event has no time")
	case s.OccurredAt.IsZero():
		e.unclassified(freight.ReasonTimeImplausible, fmt.Sprintf("the time %q is in no form we read: want 2026-11-24T12:00:00+01:00, or give the connector its layout", e.Reading.At.Raw))
	case plausibleTime(s.OccurredAt, now, "") != nil:
		e.unclassified(freight.ReasonTimeImplausible, fmt.Sprintf("the time %q cannot be", e.Reading.At.Raw))
	case s.Classifier == freight.Actual && s.OccurredAt.After(now.Add(clockSlack)):
		e.unclassified(freight.ReasonTimeImplausible, fmt.Sprintf("the time %q is to come, and yet it is reported as done", e.Reading.At.Raw))
	default:
		return
	}
	s.OccurredAt, s.ZoneSource, s.Precision = d.ReceivedAt.UTC(), freight.ZoneAssumedUTC, freight.ToTheInstant
}

// key is the same for the same statement, in whatever delivery it comes: the numbers that may be told later are not
// in it, and what tells apart two statements of one minute is.
func (e *Explained) key() string {
	s := e.Scan
	if s.Reason == string(freight.ReasonTimeImplausible) {
		s.OccurredAt = time.Time{} // ours
	}
	s.Precision, s.Place, s.Parcel, s.Leg = "", freight.Location{}, "", freight.Position{} // the reading has them as they were told
	if s.ZoneSource == freight.ZoneFromCarrier {
		s.ZoneSource = freight.ZoneFromLocation // so it was called when the first keys were made
	}
	r := e.Reading
	about := append(slices.Clone(r.Identity),
		freight.Reference{Kind: "place", Value: r.Place.String()}, freight.Reference{Kind: "told", Value: r.At.Raw},
		freight.Reference{Kind: "codes", Value: strings.Join(slices.Concat(r.Codes, r.Why), "|")}, freight.Reference{Kind: "part", Value: r.Parcel + "|" + r.Leg},
	)
	return contentKey(store.Incoming{Scan: s, References: about})
}

// references are the numbers the shipment may be found by. A number of the form of our own ids may be one.
func references(carrier freight.CarrierCode, r Reading) (rs []freight.Reference) {
	add := func(ref freight.Reference) {
		if ref.Value != "" && !slices.Contains(rs, ref) && len(rs) < maxRefs {
			rs = append(rs, ref)
		}
	}
	for _, ref := range slices.Concat(r.Identity, r.References) {
		ref.Value = cut(strings.TrimSpace(ref.Value), maxValue)
		if ref.Kind == freight.RefTracking || ref.Kind == freight.RefPRO {
			ref.Carrier = carrier
		}
		if freight.ShipmentID(ref.Value).Valid() && ref.Kind == freight.RefCustomer {
			add(freight.Reference{Kind: freight.RefShipment, Value: ref.Value})
		}
		add(ref)
	}
	return rs
}

// cut shortens a text to at most n bytes, at the end of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
