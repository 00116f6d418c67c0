package connectors

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"waybill/workflows/freight"
)

type dhlEvent struct {
	At       string `json:"timestamp"`
	Code     string `json:"statusCode"`
	Status   string `json:"status"`
	Text     string `json:"description"`
	Location struct {
		Address struct {
			Country string `json:"countryCode"`
			City    string `json:"addressLocality"`
		} `json:"address"`
	} `json:"location"`
	Pieces []string `json:"pieceIds"`
}

type dhlShipment struct {
	ID       loose      `json:"id"`
	Estimate string     `json:"estimatedTimeOfDelivery"`
	Status   *dhlEvent  `json:"status"`
	Events   []dhlEvent `json:"events"`
	Details  struct {
		Pieces loose    `json:"totalNumberOfPieces"`
		Known  []string `json:"pieceIds"` // all that the shipment has
		Proof  struct {
			Signature string `json:"signatureUrl"`
			Document  string `json:"documentUrl"`
			Signed    struct {
				Name   string `json:"name"`
				Given  string `json:"givenName"`
				Family string `json:"familyName"`
			} `json:"signed"`
		} `json:"proofOfDelivery"`
		References several[struct {
			Number string `json:"number"`
			Type   string `json:"type"`
		}] `json:"references"`
	} `json:"details"`
}

// readDHL reads a push of Shipment Tracking Unified, which has the body of its API.
func readDHL(zs Zones, body []byte) (b Batch, err error) {
	var w struct {
		Shipments []dhlShipment `json:"shipments"`
		Secret    string        `json:"secret"` // of a subscription that is to be confirmed
	}
	if err := Unmarshal(body, &w); err != nil {
		return b, err
	}
	switch {
	case len(w.Shipments) == 0 && w.Secret != "":
		return b, errors.New("/secret: it asks to confirm the subscription: do so at DHL with this secret, pushes come after that")
	case len(w.Shipments) == 0:
		return b, errors.New("/shipments: it is missing")
	}
	for i, s := range w.Shipments {
		if err := s.read(zs, &b, fmt.Sprintf("/shipments/%d", i)); err != nil {
			return b, err
		}
	}
	slices.SortStableFunc(b.Readings, func(a, b Reading) int { return a.At.Time.Compare(b.At.Time) }) // its API gives the newest first
	return b, nil
}

func (s dhlShipment) read(zs Zones, b *Batch, at string) error {
	if s.ID == "" {
		return fmt.Errorf("%s/id: it is missing: want a push of Shipment Tracking Unified", at)
	}
	newest := Moment{}
	for i, e := range s.Events {
		r := s.reading(zs, e, fmt.Sprintf("%s/events/%d", at, i))
		newest = later(newest, r.At)
		b.Readings = append(b.Readings, s.apart(r, e)...)
	}
	if len(s.Events) == 0 && s.Status != nil {
		r := s.reading(zs, *s.Status, at+"/status")
		newest = r.At
		b.Readings = append(b.Readings, s.apart(r, *s.Status)...)
	}
	if s.Status == nil || s.Status.Code != "delivered" {
		r := s.base()
		r.At = newest
		b.estimate(r, at+"/estimatedTimeOfDelivery", "estimatedTimeOfDelivery", zs.Moment(s.Estimate, Place{}))
	}
	return nil
}

func (s dhlShipment) base() Reading {
	r := Reading{Carrier: "DHL", Identity: []freight.Reference{{Kind: freight.RefTracking, Value: string(s.ID)}}}
	for _, ref := range s.Details.References {
		r.References = append(r.References, freight.Reference{Kind: freight.RefCustomer, Value: ref.Number})
	}
	return r
}

func (s dhlShipment) reading(zs Zones, e dhlEvent, at string) Reading {
	r := s.base()
	r.Pointer, r.Codes, r.Also, r.Text = at, []string{e.Code}, []string{strings.ToLower(e.Status)}, e.Text
	r.Place = Place{City: e.Location.Address.City, Country: e.Location.Address.Country}
	r.At = zs.Moment(e.At, r.Place)
	r.Parcels = Parcels{Of: s.pieces(), Whole: s.whole(e), Delivered: len(e.Pieces)}
	r.Parcel = strings.Join(e.Pieces, ",")
	if e.Code == "delivered" {
		r.Evidence = s.evidence()
	}
	return r
}

// apart is an event of several pieces as one of each, where it says what became of them: what happened to two of eight is
// counted by parcel, with what other events say of the same and of the rest. One that names every piece is about the
// shipment. On the way they are together.
func (s dhlShipment) apart(r Reading, e dhlEvent) []Reading {
	decides := e.Code == "delivered" || e.Code == "failure"
	if len(e.named()) < 2 || !decides || r.Parcels.Whole {
		return []Reading{r}
	}
	var rs []Reading
	for i, piece := range e.named() {
		p := r
		p.Pointer, p.Parcel = fmt.Sprintf("%s/pieceIds/%d", r.Pointer, i), piece
		p.Parcels.Delivered = 1
		p.References = append(slices.Clone(r.References), freight.Reference{Kind: freight.RefTracking, Value: piece})
		rs = append(rs, p)
	}
	return rs
}

// pieces is how many pieces the shipment has; 0 where nobody says.
func (s dhlShipment) pieces() int {
	if n := s.Details.Pieces.count(); n > 0 {
		return n
	}
	return len(s.Details.Known)
}

// whole reports whether an event is about all of the shipment: it names no piece, or each of them.
func (s dhlShipment) whole(e dhlEvent) bool {
	n := len(e.named())
	return n == 0 || n > 1 && s.pieces() > 0 && n >= s.pieces()
}

// named are the pieces that an event is about, each once, in order.
func (e dhlEvent) named() []string {
	ids := slices.Compact(slices.Sorted(slices.Values(e.Pieces)))
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" })
}

func (s dhlShipment) evidence() (es []Evidence) {
	p := s.Details.Proof
	name := p.Signed.Name
	if name == "" {
		name = strings.TrimSpace(p.Signed.Given + " " + p.Signed.Family)
	}
	if name != "" {
		es = append(es, Evidence{Kind: freight.DocumentSignature, Signer: name})
	}
	if p.Signature != "" {
		es = append(es, Evidence{Kind: freight.DocumentSignature, URL: p.Signature})
	}
	if p.Document != "" {
		es = append(es, Evidence{Kind: freight.DocumentPOD, URL: p.Document})
	}
	return es
}
