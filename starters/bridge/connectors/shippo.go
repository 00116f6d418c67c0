package connectors

import (
	"cmp"
	"fmt"

	"waybill/workflows/freight"
)

type shippoStatus struct {
	Status    string `json:"status"`
	Substatus struct {
		Code string `json:"code"`
	} `json:"substatus"`
	At       string `json:"status_date"`
	Details  string `json:"status_details"`
	Updated  string `json:"object_updated"`
	Location struct {
		City    string `json:"city"`
		State   string `json:"state"`
		Country string `json:"country"`
	} `json:"location"`
}

type shippoTrack struct {
	Carrier  string         `json:"carrier"`
	Number   string         `json:"tracking_number"`
	ETA      string         `json:"eta"`
	Metadata loose          `json:"metadata"` // what we gave with the label
	Status   *shippoStatus  `json:"tracking_status"`
	History  []shippoStatus `json:"tracking_history"`
}

// readShippo reads a track_updated webhook, which has the whole history and no id of its own, or a track as the API gives
// it.
func readShippo(zs Zones, body []byte) (b Batch, err error) {
	var w struct {
		Event string      `json:"event"`
		Test  bool        `json:"test"`
		Data  shippoTrack `json:"data"`
		shippoTrack
	}
	if err := Unmarshal(body, &w); err != nil {
		return b, err
	}
	at := "/data"
	if w.Event == "" && w.Number != "" {
		w.Event, w.Data, at = "track_updated", w.shippoTrack, ""
	}
	if w.Event != "track_updated" {
		return b, fmt.Errorf("/event: %q tells nothing of a shipment's way: subscribe to track_updated alone", w.Event)
	}
	b.Test = w.Test
	t := w.Data
	base := Reading{Carrier: t.Carrier, Identity: []freight.Reference{{Kind: freight.RefTracking, Value: t.Number}}}
	base.References = []freight.Reference{{Kind: freight.RefCustomer, Value: string(t.Metadata)}}
	for i, s := range t.History {
		b.addShippo(zs, base, s, fmt.Sprintf("%s/tracking_history/%d", at, i))
	}
	if t.Status == nil {
		return b, nil
	}
	b.addShippo(zs, base, *t.Status, at+"/tracking_status")
	if t.Status.Status != "DELIVERED" {
		base.At = zs.Moment(cmp.Or(t.Status.Updated, t.Status.At), Place{})
		b.estimate(base, at+"/eta", "eta", zs.Moment(t.ETA, Place{}))
	}
	return b, nil
}

func (b *Batch) addShippo(zs Zones, r Reading, s shippoStatus, at string) {
	r.Pointer, r.Text = at, s.Details
	r.Codes, r.Also, r.Why = []string{join(s.Status, s.Substatus.Code), s.Substatus.Code, s.Status}, []string{s.Status}, []string{s.Substatus.Code}
	r.Place = Place{s.Location.City, s.Location.State, s.Location.Country}
	r.At = zs.Moment(s.At, r.Place)
	b.Readings = append(b.Readings, r)
}
