package connectors

import (
	"fmt"

	"waybill/workflows/freight"
)

type aftershipTracking struct {
	Number      string `json:"tracking_number"`
	Slug        string `json:"slug"`
	Tag         string `json:"tag"`
	Subtag      string `json:"subtag"`
	UpdatedAt   string `json:"updated_at"`
	OrderID     loose  `json:"order_id"`
	OrderNumber loose  `json:"order_number"`
	Packages    loose  `json:"shipment_package_count"`
	SignedBy    string `json:"signed_by"`
	Latest      struct {
		Datetime string `json:"datetime"`
	} `json:"latest_estimated_delivery"`
	Proof several[struct {
		Type string `json:"type"`
		URL  string `json:"url"`
	}] `json:"proof_of_delivery"`
	Checkpoints []struct {
		Message string `json:"message"`
		Tag     string `json:"tag"`
		Subtag  string `json:"subtag"`
		At      string `json:"checkpoint_time"`
		City    string `json:"city"`
		State   string `json:"state"`
		Place   string `json:"location"`
		Country string `json:"country_name"`
	} `json:"checkpoints"`
}

// readAfterShip reads a tracking_update webhook, or a tracking or a list of them as the API gives it.
func readAfterShip(zs Zones, body []byte) (b Batch, err error) {
	var w struct {
		Msg  *aftershipTracking `json:"msg"`
		Data struct {
			Tracking  *aftershipTracking  `json:"tracking"`
			Trackings []aftershipTracking `json:"trackings"`
		} `json:"data"`
	}
	if err := Unmarshal(body, &w); err != nil {
		return b, err
	}
	for i, t := range w.Data.Trackings {
		b.Readings = append(b.Readings, t.read(zs, fmt.Sprintf("/data/trackings/%d", i)).Readings...)
	}
	if w.Data.Trackings != nil {
		return b, nil
	}
	t, at := w.Msg, "/msg"
	if t == nil {
		t, at = w.Data.Tracking, "/data/tracking"
	}
	if t == nil {
		return b, fmt.Errorf("/msg: the tracking is missing: subscribe to tracking_update")
	}
	return t.read(zs, at), nil
}

func (t aftershipTracking) read(zs Zones, at string) (b Batch) {
	base := t.base()
	for i, c := range t.Checkpoints {
		r := base
		r.Pointer, r.Text = fmt.Sprintf("%s/checkpoints/%d", at, i), c.Message
		r.Codes, r.Also, r.Place = []string{c.Subtag, c.Tag}, []string{c.Tag}, Place{c.City, c.State, c.Country}
		if c.City == "" {
			r.Place.City = c.Place
		}
		r.At = zs.Moment(c.At, r.Place)
		if c.Tag == "Delivered" {
			r.Evidence = t.evidence()
		}
		b.Readings = append(b.Readings, r)
	}
	return t.withoutCheckpoints(zs, b, base, at)
}

func (t aftershipTracking) base() Reading {
	r := Reading{Carrier: t.Slug, Identity: []freight.Reference{{Kind: freight.RefTracking, Value: t.Number}}, References: []freight.Reference{
		{Kind: freight.RefOrder, Value: string(t.OrderNumber)}, {Kind: freight.RefCustomer, Value: string(t.OrderID)},
	}}
	r.Parcels = Parcels{Of: t.Packages.count(), Tracked: true}
	return r
}

func (t aftershipTracking) evidence() (es []Evidence) {
	if t.SignedBy != "" {
		es = append(es, Evidence{Kind: freight.DocumentSignature, Signer: t.SignedBy})
	}
	for _, p := range t.Proof {
		es = append(es, Evidence{Kind: freight.DocumentPhoto, URL: p.URL})
	}
	return es
}

// withoutCheckpoints adds what stands on the tracking itself: its state where there is no history, and the estimate.
func (t aftershipTracking) withoutCheckpoints(zs Zones, b Batch, r Reading, at string) Batch {
	r.Pointer, r.At = at, zs.Moment(t.UpdatedAt, Place{})
	if len(t.Checkpoints) == 0 {
		r.Codes = []string{t.Subtag, t.Tag}
		b.Readings = append(b.Readings, r)
	}
	if t.Tag != "Delivered" {
		b.estimate(r, at+"/latest_estimated_delivery", "edd_revise", zs.Moment(t.Latest.Datetime, Place{}))
	}
	return b
}
