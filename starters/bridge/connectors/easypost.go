package connectors

import (
	"fmt"
	"slices"

	"waybill/workflows/freight"
)

// easypostTracker is EasyPost's Tracker. Each of its webhooks carries the whole history.
type easypostTracker struct {
	Object       string `json:"object"`
	Mode         string `json:"mode"`
	TrackingCode string `json:"tracking_code"`
	Status       string `json:"status"`
	StatusDetail string `json:"status_detail"`
	SignedBy     string `json:"signed_by"`
	Carrier      string `json:"carrier"`
	Estimate     string `json:"est_delivery_date"`
	UpdatedAt    string `json:"updated_at"`
	IsReturn     bool   `json:"is_return"`
	Details      []struct {
		Message  string `json:"message"`
		Status   string `json:"status"`
		Detail   string `json:"status_detail"`
		Datetime string `json:"datetime"`
		Code     string `json:"carrier_code"`
		Location struct {
			City    string `json:"city"`
			State   string `json:"state"`
			Country string `json:"country"`
			Zip     string `json:"zip"`
		} `json:"tracking_location"`
	} `json:"tracking_details"`
}

// readEasyPost reads an Event about a Tracker, or a Tracker alone or a list of them as the API gives it.
func readEasyPost(zs Zones, body []byte) (b Batch, err error) {
	var event struct {
		easypostTracker
		Result   *easypostTracker  `json:"result"`
		Trackers []easypostTracker `json:"trackers"`
	}
	if err := Unmarshal(body, &event); err != nil {
		return b, err
	}
	for i, t := range event.Trackers {
		one, err := t.read(zs, fmt.Sprintf("/trackers/%d", i))
		if err != nil {
			return b, err
		}
		b.Readings, b.Test = append(b.Readings, one.Readings...), b.Test || one.Test
	}
	if event.Trackers != nil {
		return b, nil
	}
	t, at := event.easypostTracker, ""
	if event.Result != nil {
		t, at = *event.Result, "/result"
	}
	b, err = t.read(zs, at)
	b.Test = b.Test || event.Mode == "test"
	return b, err
}

func (t easypostTracker) read(zs Zones, at string) (b Batch, err error) {
	if t.Object != "Tracker" {
		return b, fmt.Errorf("%s/object: %q tells nothing of a shipment's way: subscribe to tracker events alone", at, t.Object)
	}
	b.Test = t.Mode == "test"
	base := Reading{Carrier: t.Carrier, Identity: []freight.Reference{{Kind: freight.RefTracking, Value: t.TrackingCode}}}
	for i, d := range t.Details {
		r := base
		r.Pointer = fmt.Sprintf("%s/tracking_details/%d", at, i)
		r.Codes, r.Why, r.Text = t.codes(d.Status, d.Detail), []string{d.Detail}, d.Message
		if d.Code != "" && !t.IsReturn {
			r.Codes = slices.Insert(r.Codes, 0, join(t.Carrier, d.Code)) // tells a pick-up that EasyPost calls an arrival
		}
		r.Place = Place{d.Location.City, d.Location.State, d.Location.Country}
		r.At = zs.Moment(d.Datetime, r.Place)
		// EasyPost turns a local time into UTC where it knows the place, and calls it UTC where it does not.
		if d.Location.City+d.Location.Zip == "" {
			r.At.Zone = freight.ZoneAssumedUTC
		}
		if d.Status == "delivered" && t.SignedBy != "" {
			r.Evidence = []Evidence{{Kind: freight.DocumentSignature, Signer: t.SignedBy}}
		}
		b.Readings = append(b.Readings, r)
	}
	return t.withoutDetails(zs, b, base, at), nil
}

// codes tells a return's way from the way to the customer: delivered there is back at the shipper's.
func (t easypostTracker) codes(status, detail string) []string {
	if t.IsReturn {
		return []string{join("return", status, detail), join("return", status)}
	}
	return []string{join(status, detail), status}
}

// withoutDetails adds what stands on the tracker itself: its state where there is no history, and the estimate.
func (t easypostTracker) withoutDetails(zs Zones, b Batch, r Reading, at string) Batch {
	r.Pointer, r.At = at, zs.Moment(t.UpdatedAt, Place{})
	if len(t.Details) == 0 {
		r.Codes = t.codes(t.Status, t.StatusDetail)
		b.Readings = append(b.Readings, r)
	}
	if t.Status != "delivered" && !t.IsReturn {
		b.estimate(r, at+"/est_delivery_date", "est_delivery_date", zs.Moment(t.Estimate, Place{}))
	}
	return b
}
