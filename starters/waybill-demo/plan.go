package main

import (
	"math/rand/v2"
	"strconv"

	"waybill/workflows/freight"
)

// situation is what happens to a shipment.
type situation string

// The situations, in the order they are dealt out.
const (
	cleanSpread     situation = "clean, events apart"
	cleanBurst      situation = "clean, events in 3 bursts"
	shuffled        situation = "shuffled and repeated events"
	latePOD         situation = "late POD document"
	disputeApproved situation = "over tolerance, approved"
	disputeRejected situation = "over tolerance, rejected"
	noContract      situation = "charge without contract"
	billingDown     situation = "billing engine down 10 s"
	replyLost       situation = "Odoo's reply lost"
	cancelled       situation = "cancelled before pick-up"
	backorder       situation = "backorder"
	restOfOrder     situation = "rest of a backorder"
)

var situations = []situation{cleanSpread, cleanBurst, shuffled, latePOD, disputeApproved, disputeRejected, noContract, billingDown, replyLost, cancelled, backorder}

// shipmentPlan is one shipment as the demo means it to go.
type shipmentPlan struct {
	n         int
	situation situation
	customer  string
	carrier   string
	pieces    int64 // of this delivery
	ordered   int64 // of the order
	price     int64 // of a piece, cents
	halfHours int64 // the truck waited
	detention int64 // the carrier charges for it, cents

	rng     *rand.Rand
	order   int64
	name    string // of the order
	picking int64
	id      freight.ShipmentID
	invoice string // the carrier's number

	sent     int  // distinct events delivered
	repeats  int  // delivered again under another id
	statusOK bool // the status reached Odoo while billing was down
}

// pieceKg is what one piece weighs.
const pieceKg = 60

// clean reports whether nothing out of the way happens to the shipment, so that it shows what one costs.
func (s *shipmentPlan) clean() bool { return s.situation == cleanSpread || s.situation == cleanBurst }

// kg is the weight that the delivery was released with: a backorder's first part is released with all of it.
func (s *shipmentPlan) kg() int64 {
	if s.situation == backorder {
		return s.ordered * pieceKg
	}
	return s.pieces * pieceKg
}

// deal makes the plans. One generator a shipment, so that one more does not change the others.
func deal(seed uint64, n int) (plans []*shipmentPlan) {
	for i := 0; len(plans) < n; i++ {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		s := &shipmentPlan{n: i, situation: situations[i%len(situations)], rng: rng, halfHours: 7, detention: 18_000 + rng.Int64N(5000)}
		s.customer = []string{"ACME", "ACMW", "BOLT"}[rng.IntN(3)]
		s.carrier = []string{"FASTFRT", "SLOWFRT"}[rng.IntN(2)]
		s.pieces = 1 + rng.Int64N(9)
		s.price = 10_000 + rng.Int64N(40_000)
		s.shape(i)
		s.ordered = s.pieces
		if s.situation == backorder {
			s.ordered = s.pieces + 1
		}
		plans = append(plans, s)
		if s.situation == backorder && len(plans) < n {
			rest := *s
			rest.situation, rest.pieces, rest.rng = restOfOrder, 1, rand.New(rand.NewPCG(seed, uint64(i)+1_000_000))
			plans = append(plans, &rest)
		}
	}
	return plans
}

// shape sets what a situation needs.
func (s *shipmentPlan) shape(i int) {
	switch s.situation {
	case cleanSpread, cleanBurst:
		s.customer = "ACME"
	case noContract:
		s.carrier = "NOCON" + strconv.Itoa(i)
	case disputeApproved, disputeRejected:
		s.carrier = "FASTFRT"
		if s.customer == "BOLT" {
			s.customer = "ACME"
		}
	}
}

func (s *shipmentPlan) postcode() string {
	return map[string]string{"ACME": "75001", "ACMW": "98101", "BOLT": "60601"}[s.customer]
}
