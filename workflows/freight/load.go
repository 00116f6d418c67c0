package freight

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
)

// Load is freight that no delivery in Odoo stands for: what another system releases, or a service order's. It is billed
// by an order in Odoo all the same. What it does not say is taken from the order.
type Load struct {
	Source     string       `json:"source"`               // who releases it: a source of the bridge, or "odoo"
	ID         string       `json:"id"`                   // the source's own
	Order      int64        `json:"order,omitzero"`       // sale.order id; 0: OrderName says which
	OrderName  string       `json:"orderName,omitzero"`   // "S00042"
	Service    string       `json:"service,omitzero"`     // code
	Carrier    CarrierCode  `json:"carrier,omitzero"`     // asked for
	From       string       `json:"from,omitzero"`        // origin, ISO 3166-1 alpha-2
	ShipTo     Place        `json:"shipTo,omitzero"`      // Ref is not said
	Weight     string       `json:"weight,omitzero"`      // kg, decimal
	Pieces     int          `json:"pieces,omitzero"`      // 0: as many as parcels
	Parcels    []LoadParcel `json:"parcels,omitempty"`    // known by their numbers
	Stops      []LoadStop   `json:"stops,omitempty"`      // on the way, in order
	References []Reference  `json:"references,omitempty"` // under which partners speak of it
}

// LoadParcel is one handling unit of a load.
type LoadParcel struct {
	Tracking string `json:"tracking"`        // the carrier's number of it
	Weight   string `json:"weight,omitzero"` // kg, decimal
}

// LoadStop is a place a load is taken to or from.
type LoadStop struct {
	Kind     string `json:"kind"`    // pickup or delivery
	Country  string `json:"country"` // ISO 3166-1 alpha-2
	Postcode string `json:"postcode,omitzero"`
}

// What a load may bring, so that a shipment's state stays small.
const (
	parcelsPerLoad    = 200
	stopsPerLoad      = 50
	referencesPerLoad = 20
)

// Check says what is wrong with a load; nil for nothing.
func (l Load) Check() error {
	switch {
	case l.Source == "" || l.ID == "" || len(l.Source)+len(l.ID) > longestText:
		return fmt.Errorf("source and id of together at most %d bytes are required", longestText)
	case l.Order == 0 && l.OrderName == "":
		return fmt.Errorf("order is required: the load is billed by it")
	case len(l.Parcels) > parcelsPerLoad || len(l.Stops) > stopsPerLoad || len(l.References) > referencesPerLoad:
		return fmt.Errorf("at most %d parcels, %d stops and %d references", parcelsPerLoad, stopsPerLoad, referencesPerLoad)
	}
	return nil
}

// LoadShipmentID is the id of the shipment of a load: "acme-x" and a hash of its source and id, the same for the same
// load however often it is released. No delivery's has an x there.
func LoadShipmentID(tenant TenantCode, source, id string) (ShipmentID, error) {
	if !tenantForm.MatchString(string(tenant)) || source == "" || id == "" {
		return "", fmt.Errorf("shipment id of tenant %q, load %q of %q: want 1-20 lower-case letters or digits, a source and an id", tenant, id, source)
	}
	sum := sha256.Sum256([]byte(source + "\n" + id))
	return ShipmentID(string(tenant) + "-x" + hex.EncodeToString(sum[:14])), nil
}

// OrderShipmentID is the id of the shipment of a service order: tenant "acme", order 57 -> "acme-o57".
func OrderShipmentID(tenant TenantCode, order int64) (ShipmentID, error) {
	if !tenantForm.MatchString(string(tenant)) || order <= 0 {
		return "", fmt.Errorf("shipment id of tenant %q, order %d: want 1-20 lower-case letters or digits and a positive order id", tenant, order)
	}
	return ShipmentID(string(tenant) + "-o" + strconv.FormatInt(order, 10)), nil
}

// Complete is what Odoo said of a load's order, with what the load itself says.
func (l Load) Complete(r Release) Release {
	if l.Service != "" {
		r.Service = l.Service
	}
	if l.Carrier != "" {
		r.Carrier = l.Carrier
	}
	if l.From != "" {
		r.From = l.From
	}
	if l.ShipTo.Country != "" {
		r.ShipTo = Place{Country: l.ShipTo.Country, Postcode: l.ShipTo.Postcode}
	}
	if l.Weight != "" {
		r.Weight = l.Weight
	}
	if r.Pieces = l.Pieces; r.Pieces == 0 {
		r.Pieces = len(l.Parcels)
	}
	r.Parcels, r.Stops, r.Known = l.Parcels, l.Stops, slices.Clone(l.References)
	for _, p := range l.Parcels {
		r.Known = append(r.Known, Reference{Kind: RefTracking, Carrier: r.Carrier, Value: p.Tracking})
	}
	return r
}
