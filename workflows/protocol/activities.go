package protocol

import (
	"time"

	"waybill/workflows/freight"
)

// What the stories ask of the outside world. Every one may run more than once; each that changes something
// does so under a key made of business facts.
var (
	ClaimDelivery    = Activity[ClaimRequest, freight.Release]{"ClaimDelivery", QueueStatus, showing}
	UpdateStatus     = Activity[StatusUpdate, StatusWritten]{"UpdateStatus", QueueStatus, showing}
	ReadBillable     = Activity[BillableRequest, freight.Billable]{"ReadBillable", QueuePost, asking}
	PostInvoice      = Activity[PostingRequest, Posted]{"PostInvoice", QueuePost, money}
	RequestCarrier   = Activity[TransportRequest, Booked]{"RequestTransport", QueueTMS, asking}
	CancelCarrier    = Activity[TransportCancel, TransportCancelled]{"CancelTransport", QueueTMS, asking}
	RequestShipOrder = Activity[ShipOrderRequest, ShipOrdered]{"RequestShipOrder", QueueWMS, asking}
	CancelShipOrder  = Activity[ShipOrderCancel, ShipOrderCancelled]{"CancelShipOrder", QueueWMS, asking}
	RateShipment     = Activity[RatingRequest, freight.Rating]{"RateShipment", QueueBilling, asking}
	CommitDraft      = Activity[DraftRequest, Draft]{"CommitDraft", QueueBilling, money}
	TellFinance      = Activity[FinanceNotice, FinanceReceipt]{"TellFinance", QueueFinance, money}
	Record           = Activity[RecordRequest, Recorded]{"Record", QueueRecord, showing}
	ReadTerms        = Activity[TermsRequest, freight.Terms]{"ReadTerms", QueueRecord, asking}
	VerifyDecision   = Activity[DecisionRequest, DecisionVerified]{"VerifyDecision", QueueRecord, asking}
	ReadUnmatched    = Activity[UnmatchedRequest, freight.Unmatched]{"ReadUnmatched", QueueRecord, asking}
	ReadNumbers      = Activity[NumbersRequest, Numbers]{"ReadNumbers", QueueRecord, asking}
	PlaceUnmatched   = Activity[freight.PlaceRequest, Placed]{"PlaceUnmatched", QueueRecord, asking}
)

// ClaimRequest claims a delivery for a shipment: x_waybill_shipment on the picking. Claiming again by the
// same shipment answers the same; a claim by another is NotOurs.
type ClaimRequest struct {
	Shipment freight.ShipmentID `json:"shipment"`
	Picking  int64              `json:"picking"`
	Load     *freight.Load      `json:"load,omitempty"` // instead of a delivery: its order is claimed
}

// StatusUpdate shows the shipment on its delivery and order. Odoo keeps the highest revision.
type StatusUpdate struct {
	Shipment freight.ShipmentID   `json:"shipment"`
	Picking  int64                `json:"picking"`
	Order    int64                `json:"order"`
	Revision int64                `json:"revision"` // from 1
	Report   freight.StatusReport `json:"report"`
	// Chatter are notes for the order's chatter, in their order: Odoo writes each once for its number, in the transaction of
	// the status.
	Chatter []freight.ChatterNote `json:"chatter,omitempty"`
	Proof   *ProofRequest         `json:"proof,omitempty"` // POD documents to file, after the status
}

// StatusWritten is the answer to a StatusUpdate.
type StatusWritten struct {
	Superseded  bool    `json:"superseded,omitzero"`   // Odoo had a newer revision already
	Attachments []int64 `json:"attachments,omitempty"` // ir.attachment ids of the proof, in its order
}

// ProofRequest files proof of delivery on the Odoo delivery, each document once by its hash.
type ProofRequest struct {
	Shipment  freight.ShipmentID    `json:"shipment"`
	Picking   int64                 `json:"picking"`
	Order     int64                 `json:"order,omitzero"` // where there is no delivery
	Delivered time.Time             `json:"delivered"`
	Documents []freight.DocumentRef `json:"documents"`
}

// BillableRequest asks what may be billed for a delivery.
type BillableRequest struct {
	Shipment freight.ShipmentID   `json:"shipment"`
	Picking  int64                `json:"picking"`
	Order    int64                `json:"order"`
	Scope    freight.BillingScope `json:"scope"`
	Key      string               `json:"key"` // of the invoice to come: its own draft does not block
}

// TransportRequest asks the TMS to move a shipment, with our shipment id as its reference.
type TransportRequest struct {
	Shipment freight.ShipmentID `json:"shipment"`
	Tender   int                `json:"tender"` // 1 for the first; a new number asks anew after a decline
	Release  freight.Release    `json:"release"`
	Record   *RecordRequest     `json:"record,omitempty"` // for the store, with the numbers of the booking
}

// Booked is the TMS's booking, and whether the store has the record that came with the request.
type Booked struct {
	freight.Booking
	Recorded bool `json:"recorded,omitzero"` // false: the story says it in a record of its own
}

// PostingRequest asks to post an invoice exactly as it was validated, once for its key.
type PostingRequest struct {
	freight.InvoicePlan
	Record *RecordRequest `json:"record,omitempty"` // for the store, before anything is posted: the validation and the intent
}

// Posted is the invoice as Odoo reads back, and whether the store has the record that came with the request.
type Posted struct {
	freight.Invoice
	Recorded bool `json:"recorded,omitzero"` // false: the story says it in a record of its own
}

// TransportCancel asks the TMS to stop.
type TransportCancel struct {
	Shipment freight.ShipmentID `json:"shipment"`
	Tender   int                `json:"tender"`
	Booking  string             `json:"booking"` // the TMS's number; "" where the request's reply was never seen
	Reason   string             `json:"reason"`
	Target   string             `json:"target,omitzero"` // by the shipment's route; "" is the default
}

// TransportCancelled is the TMS's answer.
type TransportCancelled struct {
	Cancelled bool   `json:"cancelled"`
	Refusal   string `json:"refusal,omitzero"` // why not, for example "picked up"
}

// ShipOrderRequest asks a warehouse to pick and pack a shipment's goods, and to hand them to the carrier that has accepted
// them: once for its tender.
type ShipOrderRequest struct {
	Shipment freight.ShipmentID  `json:"shipment"`
	Tender   int                 `json:"tender"`            // that was accepted, from 1
	Order    string              `json:"order,omitzero"`    // "S00042"
	Delivery string              `json:"delivery,omitzero"` // "WH/OUT/00042", by which Odoo has the goods; "" for a load
	ShipTo   freight.Place       `json:"shipTo"`
	Weight   string              `json:"weight"` // kg, decimal
	Pieces   int                 `json:"pieces"`
	Carrier  freight.CarrierCode `json:"carrier,omitzero"` // that comes for the goods
	PRO      string              `json:"pro,omitzero"`     // the carrier's number for them
	Target   string              `json:"target"`           // by the shipment's route; there is no default
}

// ShipOrdered is the warehouse's number for it.
type ShipOrdered struct {
	Ref string `json:"ref"`
}

// ShipOrderCancel asks a warehouse to stop.
type ShipOrderCancel struct {
	Shipment  freight.ShipmentID `json:"shipment"`
	Tender    int                `json:"tender"`
	ShipOrder string             `json:"shipOrder,omitzero"` // the WMS's number; "" where the request's reply was never seen
	Reason    string             `json:"reason"`
	Target    string             `json:"target"` // by the shipment's route; there is no default
}

// ShipOrderCancelled is the warehouse's answer.
type ShipOrderCancelled struct {
	Cancelled bool   `json:"cancelled"`
	Refusal   string `json:"refusal,omitzero"` // why not, for example "handed over"
}

// RatingRequest asks what the contracts say. It changes nothing.
type RatingRequest struct {
	Shipment freight.ShipmentID  `json:"shipment"`
	Contract string              `json:"contract"`
	Carrier  freight.CarrierCode `json:"carrier,omitzero"`
	ShipDate time.Time           `json:"shipDate"` // actual pick-up; release date for an estimate
	Currency string              `json:"currency"`
	ShipTo   freight.Place       `json:"shipTo"`
	Weight   string              `json:"weight"` // kg, decimal
	Pieces   int                 `json:"pieces"`
	Charges  []freight.Charge    `json:"charges,omitempty"` // the carrier's, to be compared; empty for an estimate
	Target   string              `json:"target,omitzero"`   // by the shipment's route; "" is the default
}

// DraftRequest gives the billing engine the invoice as validated, to be committed once for its key.
type DraftRequest struct {
	Plan       freight.InvoicePlan  `json:"plan"`
	Customer   freight.CustomerCode `json:"customer"`
	RatingHash string               `json:"ratingHash"`
	Contract   string               `json:"contract"`
	Version    string               `json:"version"`
	Target     string               `json:"target,omitzero"` // by the shipment's route; "" is the default
}

// Draft is the billing engine's side of the invoice.
type Draft struct {
	ID string `json:"id"`
}

// FinanceNotice tells the finance platform of a posted invoice, once for its key.
type FinanceNotice struct {
	Key       string               `json:"key"`
	Shipment  freight.ShipmentID   `json:"shipment"`
	Customer  freight.CustomerCode `json:"customer"`
	OrderName string               `json:"orderName"`
	Invoice   freight.Invoice      `json:"invoice"`
	Target    string               `json:"target,omitzero"` // by the shipment's route; "" is the default
}

// FinanceReceipt is the finance platform's number for it.
type FinanceReceipt struct {
	Number string `json:"number"`
}

// RecordRequest brings the store up to date: the view where its revision is newer, audit entries where their
// numbers are new, references where they are.
type RecordRequest struct {
	View       freight.View         `json:"view"`
	Audits     []freight.AuditEntry `json:"audits,omitempty"`
	References []freight.Reference  `json:"references,omitempty"`
	Final      *freight.Shipment    `json:"final,omitempty"` // with the last record: what a later scan resumes from
}

// Recorded is the answer to a RecordRequest.
type Recorded struct {
	Audits int64 `json:"audits"` // number of the last entry the store has
}

// TermsRequest asks for a customer's policy.
type TermsRequest struct {
	Customer freight.CustomerCode `json:"customer"`
	Currency string               `json:"currency"` // of the order
}

// NumbersRequest asks under which numbers of its carrier a shipment is registered.
type NumbersRequest struct {
	Shipment freight.ShipmentID `json:"shipment"`
}

// Numbers are tracking and PRO numbers.
type Numbers struct {
	Numbers []freight.Reference `json:"numbers,omitempty"`
}

// DecisionRequest asks whether a signed decision may decide a proposal.
type DecisionRequest struct {
	Proposal freight.Proposal `json:"proposal"`
	JWS      string           `json:"jws"`
}

// DecisionVerified is the answer: a ruling, or why there is none. The same document again gets the same answer.
type DecisionVerified struct {
	Ruling *freight.Ruling       `json:"ruling,omitempty"`
	Reply  freight.DecisionReply `json:"reply"`
}
