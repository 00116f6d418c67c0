package script

import (
	"math/rand/v2"
	"strconv"
	"time"

	"waybill/workflows/freight"
)

// Situation is what happens to a shipment.
type Situation string

// The situations, in the order they are dealt out.
const (
	CleanSpread     Situation = "clean, events apart"
	CleanBurst      Situation = "clean, events in 3 bursts"
	Shuffled        Situation = "shuffled and repeated events"
	LatePOD         Situation = "late POD document"
	DisputeApproved Situation = "over tolerance, approved"
	DisputeRejected Situation = "over tolerance, rejected"
	NoContract      Situation = "charge without contract"
	BillingDown     Situation = "billing engine down 10 s"
	ReplyLost       Situation = "Odoo's reply lost"
	Cancelled       Situation = "cancelled before pick-up"
	Backorder       Situation = "backorder"
	RestOfOrder     Situation = "rest of a backorder"
	InTransit       Situation = "picked up, not delivered"
	Unproved        Situation = "delivered, not proved"
	Unbilled        Situation = "proved, not billed by its carrier"
)

// Situations lists those that are dealt out; the rest of a backorder comes with its first part, and a shipment that
// stays where it is, in transit, delivered or proved, is for whoever measures waiting, and what comes next: see Next.
func Situations() []Situation {
	return []Situation{CleanSpread, CleanBurst, Shuffled, LatePOD, DisputeApproved, DisputeRejected, NoContract, BillingDown, ReplyLost, Cancelled, Backorder}
}

// Plan is one shipment as it is meant to go.
type Plan struct {
	Situation Situation
	ID        freight.ShipmentID // "" until its delivery exists
	Invoice   string             // the carrier's number

	n         int
	customer  string
	carrier   string
	pieces    int64  // of this delivery
	ordered   int64  // of the order
	price     int64  // of a piece, cents
	verdict   string // the approver's word on what the carrier charges for waiting: "approve", "reject"; "" where it charges nothing
	halfHours int64  // the truck waited
	detention int64  // the carrier charges for it, cents
	firstPart int64  // per cent of the invoice that is paid first; 0: all is paid at once

	rng     *rand.Rand
	order   int64
	name    string // of the order
	picking int64

	held      []any     // events that its situation keeps back
	at        time.Time // of the first event
	distinct  int       // events delivered, each counted once
	delivered int       // deliveries made, repeats too
	statusOK  bool      // the status reached Odoo while billing was down
	paid      bool      // the customer has paid all of it
	wrong     []string  // what was seen on the way that the oracle does not expect
}

// pieceKg is what one piece weighs.
const pieceKg = 60

// Clean reports whether nothing out of the way happens to the shipment, so that it shows what one costs.
func (p *Plan) Clean() bool { return p.Situation == CleanSpread || p.Situation == CleanBurst }

// deal makes the plans. One generator a shipment, so that one more does not change the others. What a seed makes is the
// same in every run of one release; the next may deal otherwise.
func deal(seed uint64, n int, situations []Situation, rough bool) (plans []*Plan) {
	for i := 0; len(plans) < n; i++ {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		p := &Plan{n: i, Situation: situations[i%len(situations)], rng: rng, halfHours: 7, detention: 18_000 + rng.Int64N(5000)}
		p.customer = []string{"ACME", "ACMW", "BOLT"}[rng.IntN(3)]
		p.carrier = []string{"FASTFRT", "SLOWFRT"}[rng.IntN(2)]
		p.pieces = 1 + rng.Int64N(9)
		p.price = 10_000 + rng.Int64N(40_000)
		p.shape(i)
		if rough {
			p.vary()
		}
		p.ordered = p.pieces
		if p.Situation == Backorder {
			p.ordered = p.pieces + 1
		}
		plans = append(plans, p)
		if p.Situation == Backorder && len(plans) < n {
			rest := *p
			rest.Situation, rest.pieces, rest.rng = RestOfOrder, 1, rand.New(rand.NewPCG(seed, uint64(i)+1_000_000))
			plans = append(plans, &rest)
		}
	}
	return plans
}

// shape sets what a situation needs.
func (p *Plan) shape(i int) {
	switch p.Situation {
	case CleanSpread, CleanBurst, InTransit, Unproved, Unbilled:
		p.customer = "ACME"
	case NoContract:
		p.carrier = "NOCON" + strconv.Itoa(i)
	case DisputeApproved, DisputeRejected:
		p.verdict = map[Situation]string{DisputeApproved: "approve", DisputeRejected: "reject"}[p.Situation]
		p.carrier = "FASTFRT"
		if p.customer == "BOLT" {
			p.customer = "ACME"
		}
	}
}

// vary lets happen to a shipment what may happen to any that is not clean: a third pay in two parts, and to a third of
// those to which nothing else happens with their charges the carrier charges more for waiting than it may.
func (p *Plan) vary() {
	switch p.Situation {
	case CleanSpread, CleanBurst, Cancelled, InTransit:
		return
	case Shuffled, LatePOD, BillingDown, ReplyLost:
		if p.rng.IntN(3) == 0 && p.customer != "BOLT" {
			p.verdict = []string{"approve", "reject"}[p.rng.IntN(2)]
		}
	}
	if p.verdict != "" {
		p.halfHours = 5 + p.rng.Int64N(8)
		p.detention = p.allowed() + 5_000 + p.rng.Int64N(13_000) // over tolerance, within what the approver may decide alone
	}
	if p.rng.IntN(3) == 0 {
		p.firstPart = 20 + p.rng.Int64N(61)
	}
}

// postcodes are where the customers are.
var postcodes = map[string]string{"ACME": "75001", "ACMW": "98101", "BOLT": "60601"}

// Delivery is the shipment's delivery in Odoo; 0 until it exists.
func (p *Plan) Delivery() int64 { return p.picking }

// Order is the name of its order in Odoo; "" until it is sold.
func (p *Plan) Order() string { return p.name }

// Shown is what its delivery shows in Odoo in the end.
func (p *Plan) Shown() (status freight.Status, invoice freight.InvoiceState) {
	if p.Situation == Cancelled {
		return freight.StatusCancelled, freight.InvoiceNone
	}
	return freight.StatusDelivered, freight.InvoicePaid
}

// Distinct is how many different things the shipment's partners have said.
func (p *Plan) Distinct() int { return p.distinct }

// carriage is what happens to the freight, in order, a minute apart.
var carriage = []freight.Milestone{freight.TenderAccepted, freight.PickedUp, freight.DepartedFacility, freight.ArrivedAtFacility, freight.OutForDelivery, freight.Delivered}

// The proof and the carrier's invoice come so many minutes after the first event.
const (
	proofAfter   = 7 * time.Minute
	chargesAfter = 8 * time.Minute
)

// Marks are the milestones the shipment's journey must have in the end, with their times.
func (p *Plan) Marks() (marks []string) {
	mark := func(m freight.Milestone, after time.Duration) {
		marks = append(marks, string(m)+" "+p.at.Add(after).Format(time.RFC3339))
	}
	for i, m := range carriage {
		mark(m, time.Duration(i)*time.Minute)
	}
	mark(freight.DocumentReceived, proofAfter)
	mark(freight.ChargesReceived, chargesAfter)
	return marks
}
