package connectors

import (
	"errors"
	"fmt"

	"waybill/workflows/freight"
)

type fedexResult struct {
	Info struct {
		Number string `json:"trackingNumber"`
		Unique string `json:"trackingNumberUniqueId"` // FedEx gives a number again; this tells its shipments apart
	} `json:"trackingNumberInfo"`
	Additional struct {
		Identifiers []struct {
			Type   string   `json:"type"`
			Value  string   `json:"value"`
			Values []string `json:"values"`
		} `json:"packageIdentifiers"`
	} `json:"additionalTrackingInfo"`
	Delivery struct {
		Received string `json:"receivedByName"`
		Signed   string `json:"signedByName"`
	} `json:"deliveryDetails"`
	Package struct {
		Sequence loose `json:"sequenceNumber"`
		Count    loose `json:"count"`
	} `json:"packageDetails"`
	Latest struct {
		Code string `json:"code"`
	} `json:"latestStatusDetail"`
	Window struct {
		Window struct {
			Ends string `json:"ends"`
		} `json:"window"`
	} `json:"estimatedDeliveryTimeWindow"`
	Scans []fedexScan `json:"scanEvents"`
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

type fedexScan struct {
	Date        string `json:"date"`
	Type        string `json:"eventType"`
	Description string `json:"eventDescription"`
	Exception   string `json:"exceptionCode"`
	Derived     string `json:"derivedStatusCode"`
	Location    struct {
		City    string `json:"city"`
		State   string `json:"stateOrProvinceCode"`
		Country string `json:"countryCode"`
	} `json:"scanLocation"`
	Delay struct {
		Type string `json:"type"`
	} `json:"delayDetail"`
}

type fedexOutput struct {
	Complete []struct {
		Number  string        `json:"trackingNumber"`
		Results []fedexResult `json:"trackResults"`
	} `json:"completeTrackResults"`
}

// readFedEx reads a response of the Track API, which is also what Advanced Integrated Visibility pushes.
func readFedEx(zs Zones, body []byte) (b Batch, err error) {
	var w struct {
		fedexOutput
		Output *fedexOutput `json:"output"`
	}
	if err := Unmarshal(body, &w); err != nil {
		return b, err
	}
	out, at := w.fedexOutput, ""
	if w.Output != nil {
		out, at = *w.Output, "/output"
	}
	if len(out.Complete) == 0 {
		return b, errors.New("/output/completeTrackResults: it is missing: a document alone names no shipment, send it with its tracking")
	}
	var faults []error
	for i, c := range out.Complete {
		for j, t := range c.Results {
			faults = append(faults, t.read(zs, &b, fmt.Sprintf("%s/completeTrackResults/%d/trackResults/%d", at, i, j), len(c.Results) > 1))
		}
	}
	if len(b.Readings) == 0 {
		return b, errors.Join(faults...)
	}
	return b, nil
}

// read adds the scans of one shipment; where it has none it says why, in FedEx's words.
func (t fedexResult) read(zs Zones, b *Batch, at string, ambiguous bool) error {
	if len(t.Scans) == 0 && t.Error.Code != "" {
		return fmt.Errorf("%s/error: FedEx says %s", at, t.Error.Code)
	}
	base := t.base(ambiguous)
	newest := Moment{}
	for i, s := range t.Scans {
		r := base
		r.Pointer, r.Text = fmt.Sprintf("%s/scanEvents/%d", at, i), s.Description
		r.Codes, r.Also, r.Why = []string{join(s.Type, s.Exception), s.Type}, []string{s.Derived}, []string{s.Exception, s.Delay.Type}
		r.Place = Place{s.Location.City, s.Location.State, s.Location.Country}
		r.At = zs.Moment(s.Date, r.Place)
		if s.Type == "DL" {
			r.Evidence = t.evidence()
		}
		newest = later(newest, r.At)
		b.Readings = append(b.Readings, r)
	}
	if t.Latest.Code != "DL" {
		base.At = newest
		b.estimate(base, at+"/estimatedDeliveryTimeWindow", "estimatedDeliveryTimeWindow", zs.Moment(t.Window.Window.Ends, Place{}))
	}
	return nil
}

// base names the shipment. A number that FedEx has for several is left out: what matches by it would be a guess.
func (t fedexResult) base(ambiguous bool) Reading {
	r := Reading{Carrier: "FEDEX", Parcel: string(t.Package.Sequence), Parcels: Parcels{Of: t.Package.Count.count(), Delivered: 1, Tracked: true}}
	if t.Info.Unique != "" {
		r.Identity = append(r.Identity, freight.Reference{Kind: freight.RefTracking, Value: t.Info.Unique})
	}
	if !ambiguous || t.Info.Unique == "" {
		r.Identity = append(r.Identity, freight.Reference{Kind: freight.RefTracking, Value: t.Info.Number})
	}
	for _, id := range t.Additional.Identifiers {
		kind := freight.RefCustomer
		if id.Type == "BILL_OF_LADING" {
			kind = freight.RefBOL
		}
		for _, v := range append([]string{id.Value}, id.Values...) {
			r.References = append(r.References, freight.Reference{Kind: kind, Value: v})
		}
	}
	return r
}

func (t fedexResult) evidence() []Evidence {
	signer := t.Delivery.Signed
	if signer == "" {
		signer = t.Delivery.Received
	}
	if signer == "" {
		return nil
	}
	return []Evidence{{Kind: freight.DocumentSignature, Signer: signer}}
}
