package freight

import "time"

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
	Number     int64           `json:"n"`   // place in this shipment's order of arrival, from 1, without gaps
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

// Pieces counts handling units. The zero value says nothing about quantity.
type Pieces struct {
	Delivered int `json:"delivered"`
	Expected  int `json:"expected"`
}

// Short reports whether fewer pieces were delivered than expected.
func (p Pieces) Short() bool { return p.Expected > 0 && p.Delivered < p.Expected }
