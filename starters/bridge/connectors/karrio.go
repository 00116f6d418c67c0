package connectors

import (
	"fmt"
	"slices"
	"strings"

	"waybill/workflows/freight"
)

type karrioTracker struct {
	Carrier  string `json:"carrier_name"`
	Number   string `json:"tracking_number"`
	Status   string `json:"status"`
	Test     bool   `json:"test_mode"`
	Estimate string `json:"estimated_delivery"`
	Updated  string `json:"updated_at"`
	Photo    string `json:"delivery_image_url"`
	Signed   string `json:"signature_image_url"`
	Info     struct {
		SignedBy string `json:"signed_by"`
		Packages loose  `json:"shipment_package_count"`
		Order    loose  `json:"order_id"`
	} `json:"info"`
	Events []struct {
		Date     string `json:"date"`
		Time     string `json:"time"`
		Instant  string `json:"timestamp"`
		Code     string `json:"code"`
		Status   string `json:"status"`
		Reason   string `json:"reason"`
		Text     string `json:"description"`
		Location string `json:"location"`
	} `json:"events"`
}

// readKarrio reads a tracker event, or a tracker as the API gives it. Its scans carry the carrier's own code, and from newer releases Karrio's word for it.
// A code without that word has its meaning from rows such as "ups/OT", which whoever uses that carrier adds.
func readKarrio(zs Zones, body []byte) (b Batch, err error) {
	var w struct {
		Event string         `json:"event"`
		Data  *karrioTracker `json:"data"`
		karrioTracker
	}
	if err := Unmarshal(body, &w); err != nil {
		return b, err
	}
	at := "/data"
	if w.Event == "" && w.Data == nil && w.karrioTracker.Number != "" {
		w.Event, w.Data, at = "tracker_updated", &w.karrioTracker, ""
	}
	if w.Data == nil || !strings.HasPrefix(strings.ReplaceAll(w.Event, ".", "_"), "tracker_") {
		return b, fmt.Errorf("/event: %q tells nothing of a shipment's way: subscribe to tracker events alone", w.Event)
	}
	t := *w.Data
	b.Test = t.Test
	base := t.base()
	for i, e := range t.Events {
		r := base
		r.Pointer, r.Text, r.Place = fmt.Sprintf("%s/events/%d", at, i), e.Text, Place{City: e.Location}
		status := e.Status
		if status == "" && i == 0 {
			status = t.Status // of the newest, which Karrio puts first
		}
		r.Codes, r.Why = []string{join(t.Carrier, e.Code), status}, []string{e.Reason}
		r.Finest = finest(status, e.Reason)
		told := e.Instant
		if told == "" {
			told = strings.TrimSpace(e.Date + " " + e.Time)
		}
		r.At = zs.Moment(told, Place{})
		if status == "delivered" {
			r.Evidence = t.evidence()
		}
		b.Readings = append(b.Readings, r)
	}
	slices.SortStableFunc(b.Readings, func(a, b Reading) int { return a.At.Time.Compare(b.At.Time) }) // a history is told from its beginning
	return t.withoutEvents(zs, b, base, at), nil
}

func (t karrioTracker) base() Reading {
	r := Reading{Carrier: t.Carrier, Identity: []freight.Reference{{Kind: freight.RefTracking, Value: t.Number}}}
	r.References = []freight.Reference{{Kind: freight.RefOrder, Value: string(t.Info.Order)}}
	r.Parcels = Parcels{Of: t.Info.Packages.count(), Tracked: true}
	return r
}

func (t karrioTracker) evidence() (es []Evidence) {
	if t.Info.SignedBy != "" {
		es = append(es, Evidence{Kind: freight.DocumentSignature, Signer: t.Info.SignedBy})
	}
	if t.Signed != "" {
		es = append(es, Evidence{Kind: freight.DocumentSignature, URL: t.Signed})
	}
	if t.Photo != "" {
		es = append(es, Evidence{Kind: freight.DocumentPhoto, URL: t.Photo})
	}
	return es
}

// withoutEvents adds what stands on the tracker itself: its state where there is no history, and the estimate.
func (t karrioTracker) withoutEvents(zs Zones, b Batch, r Reading, at string) Batch {
	r.Pointer, r.At = at, zs.Moment(t.Updated, Place{})
	if len(t.Events) == 0 {
		r.Codes = []string{t.Status}
		b.Readings = append(b.Readings, r)
	}
	if t.Status != "delivered" {
		b.estimate(r, at+"/estimated_delivery", "estimated_delivery", zs.Moment(t.Estimate, Place{}))
	}
	return b
}
