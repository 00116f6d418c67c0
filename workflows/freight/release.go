package freight

import (
	"slices"
	"strings"
)

// Release is what Odoo said of a delivery when it was claimed: the facts a shipment starts from. It holds
// no name and no street; whoever needs them reads them from Odoo.
type Release struct {
	Picking     int64        `json:"picking"`     // stock.picking id
	PickingName string       `json:"pickingName"` // "WH/OUT/00042"
	Order       int64        `json:"order"`       // sale.order id
	OrderName   string       `json:"orderName"`   // "S00042"
	CustomerPO  string       `json:"customerPo,omitzero"`
	Customer    CustomerCode `json:"customer"`
	Partner     int64        `json:"partner"` // res.partner id of the invoice address
	Company     int64        `json:"company"` // res.company id
	Currency    string       `json:"currency"`
	Carrier     CarrierCode  `json:"carrier,omitzero"` // as Odoo's delivery method names it; "" lets the TMS choose
	ShipTo      Place        `json:"shipTo"`           // snapshot: Odoo rewrites it on done deliveries
	Weight      string       `json:"weight"`           // kg, decimal
	Pieces      int          `json:"pieces"`
	Missing     []string     `json:"missing,omitempty"` // billing prerequisites Odoo does not have, in words
	From        string       `json:"from,omitzero"`     // origin, ISO 3166-1 alpha-2; "" where Odoo does not say
	Service     string       `json:"service,omitzero"`  // code of the order's delivery method; "" for none
	Ordered     *Ordered     `json:"ordered,omitempty"` // what the order asked; nil for a load, and shipments of an earlier release
	Route       Route        `json:"route,omitzero"`    // who serves the shipment; the zero value is the default

	// Of a load that no delivery stands for: Picking is 0.
	Parcels []LoadParcel `json:"parcels,omitempty"`
	Stops   []LoadStop   `json:"stops,omitempty"`
	Known   []Reference  `json:"known,omitempty"` // under which partners speak of it
}

// Route says which systems serve a shipment, by the names the configuration has for them. It is decided once, when the
// shipment is claimed: a shipment that is under way stays with those that know it. "" is the default of each, and of the
// WMS none: no warehouse is asked.
type Route struct {
	Rule    string      `json:"rule,omitzero"`    // that decided
	Version string      `json:"version,omitzero"` // of the rules
	TMS     string      `json:"tms,omitzero"`
	WMS     string      `json:"wms,omitzero"`
	Billing string      `json:"billing,omitzero"`
	Finance string      `json:"finance,omitzero"`
	Carrier CarrierCode `json:"carrier,omitzero"` // asked for where the order named none
}

// Place is as much of an address as rating and routing need.
type Place struct {
	Ref      int64  `json:"ref"`     // res.partner id
	Country  string `json:"country"` // ISO 3166-1 alpha-2
	Postcode string `json:"postcode"`
}

// Booking is the TMS's side of the shipment.
type Booking struct {
	Ref      string      `json:"ref"` // the TMS's own number
	Carrier  CarrierCode `json:"carrier,omitzero"`
	PRO      string      `json:"pro,omitzero"`
	Tracking []string    `json:"tracking,omitempty"` // the carrier's numbers of its parcels, or of its loads, where the TMS has them
}

// References are the numbers of a booking under which the carrier speaks of the shipment.
func (b Booking) References() (rs []Reference) {
	if b.PRO != "" {
		rs = append(rs, Reference{Kind: RefPRO, Carrier: b.Carrier, Value: b.PRO})
	}
	return append(rs, trackings(b.Carrier, b.Tracking)...)
}

// number is the one that people are shown; "" for none.
func (b Booking) number() string {
	if b.PRO == "" && len(b.Tracking) > 0 {
		return b.Tracking[0]
	}
	return b.PRO
}

func trackings(c CarrierCode, numbers []string) (rs []Reference) {
	for _, n := range numbers {
		rs = append(rs, Reference{Kind: RefTracking, Carrier: c, Value: n})
	}
	return rs
}

// TrackingsIn are the tracking numbers in a text that holds several, as Odoo keeps them: apart by commas, semicolons or
// line breaks. Blanks within one stay. What is none, as it is too long, is left out, and so is what comes beyond 200.
func TrackingsIn(text string, c CarrierCode) []Reference {
	var numbers []string
	for _, n := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(",;\r\n", r) }) {
		if n = strings.TrimSpace(n); Nameable(n) && !slices.Contains(numbers, n) && len(numbers) < parcelsPerLoad {
			numbers = append(numbers, n)
		}
	}
	return trackings(c, numbers)
}

// ShipOrder is what a warehouse was asked for: to pick and pack the goods, and to hand them to the carrier. The zero
// value was never asked.
type ShipOrder struct {
	Ref     string      `json:"ref,omitzero"`     // the WMS's own number; "" until it has answered
	Tender  int         `json:"tender,omitzero"`  // that was accepted when it was asked, from 1
	Carrier CarrierCode `json:"carrier,omitzero"` // that comes for the goods
	PRO     string      `json:"pro,omitzero"`     // the carrier's number for them
}

// ReferenceKind says what a number is.
type ReferenceKind string

// The reference kinds, from most to least telling.
const (
	RefShipment ReferenceKind = "shipment"
	RefTracking ReferenceKind = "tracking" // with the carrier
	RefPRO      ReferenceKind = "pro"      // with the carrier
	RefBOL      ReferenceKind = "bol"
	RefOrder    ReferenceKind = "order"
	RefCustomer ReferenceKind = "customer_reference"
)

// Reference is a number under which partners speak of a shipment. Carriers reuse numbers, so the store
// keeps each with the time it holds.
type Reference struct {
	Kind    ReferenceKind `json:"kind"`
	Carrier CarrierCode   `json:"carrier,omitzero"`
	Value   string        `json:"value"`
}
