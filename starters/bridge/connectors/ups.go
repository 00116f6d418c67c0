package connectors

import (
	"errors"
	"fmt"
	"strings"

	"waybill/workflows/freight"
)

type upsStatus struct {
	Type        string `json:"type"`
	Code        string `json:"code"`
	Description string `json:"description"`
}

// alone is a type that comes without a code, as a table has it: X/. The bare letter has to mean one thing with every code.
func (s upsStatus) alone() string {
	if strings.TrimSpace(s.Code) != "" || strings.TrimSpace(s.Type) == "" {
		return ""
	}
	return strings.TrimSpace(s.Type) + "/"
}

// codes are those of a status. Only a letter that means one thing alone stands for codes we do not know.
func (s upsStatus) codes() []string {
	t, c := strings.TrimSpace(s.Type), strings.TrimSpace(s.Code)
	return []string{join(t, c), c, t}
}

type upsPlace struct {
	City    string `json:"city"`
	State   string `json:"stateProvince"`
	Country string `json:"country"`
	Code    string `json:"countryCode"`
}

func (p upsPlace) place() Place {
	if p.Code != "" {
		p.Country = p.Code
	}
	return Place{p.City, p.State, p.Country}
}

type upsPhoto struct {
	Photo string `json:"photo"`
}

// upsAlert is a Track Alert: one event, with its local time and in GMT, and no history.
type upsAlert struct {
	Number    string    `json:"trackingNumber"`
	Date      loose     `json:"localActivityDate"`
	Time      loose     `json:"localActivityTime"`
	GMTDate   loose     `json:"gmtActivityDate"`
	GMTTime   loose     `json:"gmtActivityTime"`
	Location  upsPlace  `json:"activityLocation"`
	Status    upsStatus `json:"activityStatus"`
	Scheduled loose     `json:"scheduledDeliveryDate"`
	Received  string    `json:"receivedBy"`
	Photo     upsPhoto  `json:"deliveryPhoto"`
}

// readUPS reads a Track Alert, or a response of the Track API.
func readUPS(zs Zones, body []byte) (b Batch, err error) {
	var w struct {
		upsAlert
		Response struct {
			Shipment []upsShipment `json:"shipment"`
		} `json:"trackResponse"`
	}
	if err := Unmarshal(body, &w); err != nil {
		return b, err
	}
	if w.Number != "" {
		return w.read(zs), nil
	}
	for i, s := range w.Response.Shipment {
		s.read(zs, &b, fmt.Sprintf("/trackResponse/shipment/%d", i))
	}
	if len(w.Response.Shipment) == 0 {
		return b, errors.New("/trackingNumber: it is missing: want a Track Alert or a Track API response")
	}
	return b, nil
}

func (a upsAlert) read(zs Zones) (b Batch) {
	r := Reading{Carrier: "UPS", Identity: []freight.Reference{{Kind: freight.RefTracking, Value: a.Number}}, Text: a.Status.Description, Place: a.Location.place()}
	r.Codes, r.Finest, r.Why = a.Status.codes(), a.Status.alone(), a.Status.codes()
	r.At = upsMoment(zs, a.Date, a.Time, a.GMTDate, a.GMTTime, "", r.Place)
	if a.Status.Type == "D" {
		r.Evidence = upsEvidence(a.Received, "", a.Photo.Photo)
	}
	b.Readings = append(b.Readings, r)
	if a.Status.Type != "D" {
		b.estimate(r, "/scheduledDeliveryDate", "scheduledDeliveryDate", zs.Moment(string(a.Scheduled), r.Place))
	}
	return b
}

// upsMoment takes GMT where it is told, else the local time with its offset, else the clock of the place.
func upsMoment(zs Zones, date, clock, gmtDate, gmtClock loose, offset string, at Place) Moment {
	switch {
	case gmtDate != "" && gmtClock != "":
		return zs.Moment(string(gmtDate+gmtClock)+"Z", at, "20060102150405Z07:00")
	case date != "" && clock != "" && offset != "":
		return zs.Moment(string(date+clock)+offset, at, "20060102150405Z07:00")
	}
	return zs.Moment(string(date+clock), at)
}

func upsEvidence(signer, signature, photo string) (es []Evidence) {
	if signer != "" && signature == "" {
		es = append(es, Evidence{Kind: freight.DocumentSignature, Signer: signer})
	}
	if signature != "" {
		es = append(es, Evidence{Kind: freight.DocumentSignature, Signer: signer, Content: signature})
	}
	if photo != "" {
		es = append(es, Evidence{Kind: freight.DocumentPhoto, Content: photo})
	}
	return es
}

// upsShipment is one of the Track API, with the whole history of each of its packages, newest first.
type upsShipment struct {
	Inquiry string `json:"inquiryNumber"`
	Package []struct {
		Number     string    `json:"trackingNumber"`
		Count      loose     `json:"packageCount"`
		Current    upsStatus `json:"currentStatus"`
		References []struct {
			Number string `json:"number"`
			Type   string `json:"type"`
		} `json:"referenceNumber"`
		Delivery struct {
			Received  string `json:"receivedBy"`
			Signature struct {
				Image string `json:"image"`
			} `json:"signature"`
			Photo upsPhoto `json:"deliveryPhoto"`
		} `json:"deliveryInformation"`
		Activity []struct {
			Date     loose  `json:"date"`
			Time     loose  `json:"time"`
			GMTDate  loose  `json:"gmtDate"`
			GMTTime  loose  `json:"gmtTime"`
			Offset   string `json:"gmtOffset"`
			Location struct {
				Address upsPlace `json:"address"`
			} `json:"location"`
			Status upsStatus `json:"status"`
		} `json:"activity"`
	} `json:"package"`
}

func (s upsShipment) delivered() (n int) {
	for _, p := range s.Package {
		if p.Current.Type == "D" {
			n++
		}
	}
	return n
}

func (s upsShipment) read(zs Zones, b *Batch, at string) {
	for i, p := range s.Package {
		base := Reading{Carrier: "UPS", Identity: []freight.Reference{{Kind: freight.RefTracking, Value: s.Inquiry}}, Parcel: p.Number}
		base.Parcels = Parcels{Of: p.Count.count(), Delivered: s.delivered()}
		if p.Number != s.Inquiry {
			base.References = append(base.References, freight.Reference{Kind: freight.RefTracking, Value: p.Number})
		}
		for _, ref := range p.References {
			base.References = append(base.References, freight.Reference{Kind: freight.RefCustomer, Value: ref.Number})
		}
		for j, a := range p.Activity {
			r := base
			r.Pointer, r.Text, r.Place = fmt.Sprintf("%s/package/%d/activity/%d", at, i, j), a.Status.Description, a.Location.Address.place()
			r.Codes, r.Finest, r.Why = a.Status.codes(), a.Status.alone(), a.Status.codes()
			r.At = upsMoment(zs, a.Date, a.Time, a.GMTDate, a.GMTTime, a.Offset, r.Place)
			if a.Status.Type == "D" {
				r.Evidence = upsEvidence(p.Delivery.Received, p.Delivery.Signature.Image, p.Delivery.Photo.Photo)
			}
			b.Readings = append(b.Readings, r)
		}
	}
}
