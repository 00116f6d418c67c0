package freight

import "slices"

// Milestone is what a scan says has happened to the freight. The texts are on the wire and in histories:
// none is ever renamed.
type Milestone string

// The milestones. Those with a rank move the shipment forward; the others are overlays, recorded beside the
// rank without lowering it.
const (
	OrderReleased          Milestone = "order_released"
	TenderSent             Milestone = "tender_sent"
	TenderAccepted         Milestone = "tender_accepted"
	TenderDeclined         Milestone = "tender_declined"
	Booked                 Milestone = "booked"
	LabelCreated           Milestone = "label_created"
	PickupAppointmentSet   Milestone = "pickup_appointment_set"
	ArrivedAtPickup        Milestone = "arrived_at_pickup"
	PickupAttempted        Milestone = "pickup_attempted"
	PickedUp               Milestone = "picked_up"
	DepartedFacility       Milestone = "departed_facility"
	ArrivedAtFacility      Milestone = "arrived_at_facility"
	CustomsArrived         Milestone = "customs_arrived"
	CustomsReleased        Milestone = "customs_released"
	InTransit              Milestone = "in_transit"
	DeliveryAppointmentSet Milestone = "delivery_appointment_set"
	OutForDelivery         Milestone = "out_for_delivery"
	ArrivedAtDelivery      Milestone = "arrived_at_delivery"
	AvailableForPickup     Milestone = "available_for_pickup"
	DeliveryAttempted      Milestone = "delivery_attempted"
	PartiallyDelivered     Milestone = "partially_delivered"
	Delivered              Milestone = "delivered"
	PODReceived            Milestone = "pod_received"
	Returning              Milestone = "returning"
	Returned               Milestone = "returned"
	Cancelled              Milestone = "cancelled"
	Lost                   Milestone = "lost"
	Damaged                Milestone = "damaged"
	ETAUpdated             Milestone = "eta_updated"
	Delayed                Milestone = "delayed"
	Held                   Milestone = "held"
	Refused                Milestone = "refused"
	Reconsigned            Milestone = "reconsigned"
	DocumentReceived       Milestone = "document_received"
	ChargesReceived        Milestone = "charges_received"
	Unclassified           Milestone = "unclassified"
)

// step is where a milestone stands on the way, and the status customer service sees for it.
type step struct {
	rank   int // 0 for an overlay; gaps leave room for milestones between
	status Status
}

var steps = map[Milestone]step{
	OrderReleased:          {10, StatusReleased},
	TenderSent:             {20, StatusReleased},
	TenderAccepted:         {30, StatusAccepted},
	Booked:                 {40, StatusAccepted},
	LabelCreated:           {50, StatusAccepted},
	PickupAppointmentSet:   {55, StatusAccepted},
	ArrivedAtPickup:        {60, StatusAccepted},
	PickedUp:               {100, StatusInTransit},
	DepartedFacility:       {110, StatusInTransit},
	ArrivedAtFacility:      {110, StatusInTransit},
	InTransit:              {110, StatusInTransit},
	CustomsArrived:         {120, StatusInTransit},
	CustomsReleased:        {130, StatusInTransit},
	DeliveryAppointmentSet: {140, StatusInTransit},
	OutForDelivery:         {200, StatusOutForDelivery},
	AvailableForPickup:     {205, StatusOutForDelivery},
	ArrivedAtDelivery:      {210, StatusOutForDelivery},
	PartiallyDelivered:     {290, StatusOutForDelivery},
	Delivered:              {300, StatusDelivered},
	TenderDeclined:         {}, PickupAttempted: {}, DeliveryAttempted: {}, PODReceived: {}, Returning: {},
	Returned: {}, Cancelled: {}, Lost: {}, Damaged: {}, ETAUpdated: {}, Delayed: {}, Held: {}, Refused: {},
	Reconsigned: {}, DocumentReceived: {}, ChargesReceived: {}, Unclassified: {},
}

// Known reports whether m is one of the milestones above.
func (m Milestone) Known() bool { _, ok := steps[m]; return ok }

// Rank is m's place on the way from release (10) to delivery (300); 0 for an overlay.
func (m Milestone) Rank() int { return steps[m].rank }

// Status is what customer service sees for m; "" for an overlay.
func (m Milestone) Status() Status { return steps[m].status }

// Trouble reports whether a person must look at what becomes of the freight.
func (m Milestone) Trouble() bool {
	return slices.Contains([]Milestone{Lost, Damaged, Returned, Returning, Refused}, m)
}

// Status is the shipment's state in the words customer service uses in Odoo.
type Status string

// The statuses, in the order a shipment takes them; the last five end or leave that way.
const (
	StatusReleased       Status = "released"
	StatusAccepted       Status = "accepted"
	StatusInTransit      Status = "in_transit"
	StatusOutForDelivery Status = "out_for_delivery"
	StatusDelivered      Status = "delivered"
	StatusReturned       Status = "returned"
	StatusLost           Status = "lost"
	StatusCancelled      Status = "cancelled"
)

// Statuses lists every status, for the selection field in Odoo.
func Statuses() []Status {
	return []Status{StatusReleased, StatusAccepted, StatusInTransit, StatusOutForDelivery, StatusDelivered, StatusReturned, StatusLost, StatusCancelled}
}

// InvoiceState is where the shipment's money stands, in the words customer service sees in Odoo.
type InvoiceState string

// The invoice states.
const (
	InvoiceNone     InvoiceState = "none"     // nothing to say yet
	InvoiceWaiting  InvoiceState = "waiting"  // delivered, waiting for POD or charges
	InvoiceHeld     InvoiceState = "held"     // an exception or a dispute holds it
	InvoicePosted   InvoiceState = "posted"   // posted in Odoo
	InvoicePartPaid InvoiceState = "partial"  // paid in part
	InvoicePaid     InvoiceState = "paid"     // residual zero
	InvoiceReversed InvoiceState = "reversed" // credited in full
)

// InvoiceStates lists every invoice state, for the selection field in Odoo.
func InvoiceStates() []InvoiceState {
	return []InvoiceState{InvoiceNone, InvoiceWaiting, InvoiceHeld, InvoicePosted, InvoicePartPaid, InvoicePaid, InvoiceReversed}
}
