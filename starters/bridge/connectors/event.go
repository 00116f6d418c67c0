package connectors

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"waybill/workflows/freight"
)

// Canonical events of a scan, as any partner could have sent them to us.
type canonical struct {
	Event
	DataSchema string             `json:"dataschema"`
	Zone       freight.ZoneSource `json:"zonesource"`
	Precision  Precision          `json:"precision,omitzero"`
	Why        *explanation       `json:"explain,omitempty"`
}

// explanation is how an event came about.
type explanation struct {
	Mapping  string `json:"mapping"`
	Pointer  string `json:"pointer"`
	Code     string `json:"code,omitzero"` // of the mapping's row
	Told     string `json:"told,omitzero"` // the time as it was written
	Place    string `json:"place,omitzero"`
	Parcel   string `json:"parcel,omitzero"`
	Leg      string `json:"leg,omitzero"`
	Text     string `json:"text,omitzero"`
	Surprise string `json:"surprise,omitzero"`
}

// SchemaID is the id of a schema by its name, that of what partners tell us being the event's type: it is published under
// it, as /v1/schemas/NAME.json.
func SchemaID(name string) string { return "urn:waybill:schema:" + name }

// JSON is the scan as a canonical event on one line; with explain it also says how it came about, which is for people
// and no part of the event.
func (e Explained) JSON(explain bool) ([]byte, error) {
	s := e.Scan
	m := Milestone{
		Milestone: s.Milestone, Classifier: s.Classifier, OccurredAt: s.OccurredAt, Carrier: s.Carrier, Reason: s.Reason, FaultParty: s.FaultParty,
		RawCode: s.RawCode, ETA: s.ETA, Pieces: s.Pieces, References: e.References,
		Precision: s.Precision, Place: s.Place, Parcel: s.Parcel, Leg: s.Leg, Stop: s.Stop, Quantities: s.Quantities, Statement: s.Statement,
	}
	if r := s.Retracts; r != nil {
		m.Retracts = &Retracts{Statement: r.Statement, Milestone: r.Milestone, OccurredAt: r.At}
	}
	if s.ZoneSource != freight.ZoneFromPayload {
		m.ZoneSource = s.ZoneSource
	}
	for i, d := range e.Documents {
		m.Documents = append(m.Documents, Document{Kind: s.Documents[i].Kind, MediaType: d.MediaType, Content: base64.StdEncoding.EncodeToString(d.Body), Signer: d.Signer})
	}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("connectors: encode event %s: %w", s.Key, err)
	}
	c := canonical{Event: Event{SpecVersion: "1.0", ID: s.Key, Source: "urn:waybill:source:" + s.Source, Type: MilestoneType, Time: s.OccurredAt.Truncate(time.Millisecond), Data: data}}
	c.DataSchema, c.Zone, c.Precision = SchemaID(MilestoneType), s.ZoneSource, e.Reading.At.Precision
	if explain {
		c.Why = e.explanation()
	}
	return json.Marshal(c)
}

func (e Explained) explanation() *explanation {
	r := e.Reading
	return &explanation{Mapping: e.Table, Pointer: r.Pointer, Code: e.Code, Told: r.At.Raw, Place: r.Place.String(), Parcel: r.Parcel, Leg: r.Leg, Text: r.Text, Surprise: e.Surprise}
}
