package connectors

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"waybill/workflows/freight"
)

// dcsaEvent is an event of Track & Trace. Version 2 is flat; 3 has its parts in groups, which differ with the release.
type dcsaEvent struct {
	dcsaFields
	Metadata       dcsaFields `json:"metadata"`
	Payload        dcsaFields `json:"payload"`
	Classification dcsaFields `json:"eventClassification"`
	Routing        struct {
		Party struct {
			Code string `json:"partyCode"`
		} `json:"originatingParty"`
	} `json:"eventRouting"`
	Shipment struct {
		Document   dcsaReference   `json:"documentReference"`
		Additional []dcsaReference `json:"additionalDocumentReferences"`
	} `json:"shipmentDetails"`
	Transport struct {
		Call dcsaCall `json:"transportCall"`
	} `json:"transportDetails"`
	Equipment struct {
		Reference string `json:"equipmentReference"`
		Empty     string `json:"emptyIndicatorCode"`
	} `json:"equipmentDetails"`
}

type dcsaFields struct {
	Type          string          `json:"eventType"`
	TypeCode      string          `json:"eventTypeCode"`
	Classifier    string          `json:"eventClassifierCode"`
	At            string          `json:"eventDateTime"`
	ID            string          `json:"eventID"`
	Retracts      string          `json:"retractedEventID"`
	ShipmentType  string          `json:"shipmentEventTypeCode"`
	TransportType string          `json:"transportEventTypeCode"`
	EquipmentType string          `json:"equipmentEventTypeCode"`
	Equipment     string          `json:"equipmentReference"`
	Empty         string          `json:"emptyIndicatorCode"`
	Document      string          `json:"documentID"`
	DocumentType  string          `json:"documentTypeCode"`
	Delay         string          `json:"delayReasonCode"`
	Remark        string          `json:"changeRemark"`
	Call          dcsaCall        `json:"transportCall"`
	Location      dcsaLocation    `json:"eventLocation"`
	Documents     []dcsaReference `json:"documentReferences"`
	References    []dcsaReference `json:"references"`
}

type dcsaLocation struct {
	Name string `json:"locationName"`
	UN   string `json:"UNLocationCode"`
}

// dcsaReference is a number, under the names its releases give it.
type dcsaReference struct {
	DocumentType  string `json:"documentReferenceType"`
	DocumentValue string `json:"documentReferenceValue"`
	OtherType     string `json:"referenceType"`
	OtherValue    string `json:"referenceValue"`
	Code          string `json:"typeCode"`
	Value         string `json:"reference"`
}

type dcsaCall struct {
	ID        string `json:"transportCallID"`
	Reference string `json:"transportCallReference"`
	Sequence  loose  `json:"transportCallSequenceNumber"`
	Mode      string `json:"modeOfTransport"`
	UN        string `json:"UNLocationCode"`
	Vessel    struct {
		Operator string `json:"vesselOperatorCarrierCode"`
	} `json:"vessel"`
}

// readDCSA reads events of DCSA Track & Trace 2.x and 3.0: a list, an object with a list, or one event.
func readDCSA(zs Zones, body []byte) (b Batch, err error) {
	var events []dcsaEvent
	at := ""
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
		err = Unmarshal(body, &events)
	} else {
		var w struct {
			dcsaEvent
			Events []dcsaEvent `json:"events"`
		}
		err = Unmarshal(body, &w)
		events, at = w.Events, "/events"
		if w.Events == nil {
			events, at = []dcsaEvent{w.dcsaEvent}, ""
		}
	}
	if err != nil {
		return b, err
	}
	for i, e := range events {
		where := fmt.Sprintf("%s/%d", at, i)
		r, err := e.reading(zs, where)
		if err != nil {
			return b, err
		}
		b.Readings = append(b.Readings, r)
	}
	return b, nil
}

// first is the one of a field's places that has it.
func (e dcsaEvent) first(field func(dcsaFields) string) string {
	return cmp.Or(field(e.dcsaFields), field(e.Metadata), field(e.Payload), field(e.Classification))
}

func (e dcsaEvent) reading(zs Zones, at string) (r Reading, err error) {
	call := e.Call
	for _, c := range []dcsaCall{e.Payload.Call, e.Transport.Call} {
		if call == (dcsaCall{}) {
			call = c
		}
	}
	r = Reading{Pointer: at, Text: e.first(func(f dcsaFields) string { return f.Remark }), Why: []string{e.first(func(f dcsaFields) string { return f.Delay })}}
	r.Statement = e.first(func(f dcsaFields) string { return f.ID })
	r.Retracts = e.first(func(f dcsaFields) string { return f.Retracts })
	r.Carrier = cmp.Or(call.Vessel.Operator, e.Routing.Party.Code)
	r.Parcel = cmp.Or(e.first(func(f dcsaFields) string { return f.Equipment }), e.Equipment.Reference)
	r.Leg = join(call.Mode, cmp.Or(call.Reference, call.ID), string(call.Sequence))
	un := cmp.Or(e.first(func(f dcsaFields) string { return f.Location.UN }), call.UN)
	r.Place = Place{City: cmp.Or(un, e.first(func(f dcsaFields) string { return f.Location.Name })), Country: un[:min(2, len(un))]}
	r.At = zs.Moment(e.first(func(f dcsaFields) string { return f.At }), r.Place)
	e.meaning(&r)
	e.numbers(&r)
	if len(r.Codes) == 0 && r.Retracts == "" {
		return r, errors.New(at + "/eventType: it is missing: want an event of DCSA Track & Trace 2 or 3")
	}
	return r, nil
}

// meaning takes a classifier that is not ACT for a forecast, whatever it is: only what has happened moves freight.
func (e dcsaEvent) meaning(r *Reading) {
	classifier := e.first(func(f dcsaFields) string { return f.Classifier })
	r.Classifier = map[string]freight.Classifier{"ACT": freight.Actual, "EST": freight.Estimated}[classifier]
	if r.Classifier == "" {
		r.Classifier = freight.Planned
	}
	kind := cmp.Or(e.first(func(f dcsaFields) string { return f.Type }), e.first(func(f dcsaFields) string { return f.TypeCode }))
	code := e.first(func(f dcsaFields) string { return cmp.Or(f.ShipmentType, f.TransportType, f.EquipmentType) })
	if kind == "" || code == "" {
		return
	}
	load := cmp.Or(e.first(func(f dcsaFields) string { return f.Empty }), e.Equipment.Empty)
	r.Codes = []string{join(kind, code, classifier), join(kind, code)}
	if load != "" {
		r.Codes = slices.Insert(r.Codes, 0, join(kind, code, load))
	}
}

// numbers reads what the shipment is known by. A container comes back with other freight, so its number is one only
// where nothing better is told.
func (e dcsaEvent) numbers(r *Reading) {
	own := dcsaReference{DocumentType: e.first(func(f dcsaFields) string { return f.DocumentType })}
	own.DocumentValue = e.first(func(f dcsaFields) string { return f.Document })
	for _, d := range slices.Concat(e.Documents, e.Payload.Documents, e.Shipment.Additional, []dcsaReference{e.Shipment.Document, own}) {
		kind := map[string]freight.ReferenceKind{"BKG": freight.RefPRO, "TRD": freight.RefBOL, "SHI": freight.RefBOL}[cmp.Or(d.DocumentType, d.Code)]
		if value := cmp.Or(d.DocumentValue, d.Value); kind != "" && value != "" {
			r.Identity = append(r.Identity, freight.Reference{Kind: kind, Value: value})
		}
	}
	for _, d := range slices.Concat(e.References, e.Payload.References) {
		if d.OtherType != "EQ" && d.OtherValue != "" {
			r.References = append(r.References, freight.Reference{Kind: freight.RefCustomer, Value: d.OtherValue})
		}
	}
	if len(r.Identity) == 0 && r.Parcel != "" {
		r.Identity = append(r.Identity, freight.Reference{Kind: freight.RefTracking, Value: r.Parcel})
	}
}
