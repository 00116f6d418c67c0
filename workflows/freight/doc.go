// Package freight is the vocabulary and the rules of Waybill, in pure Go: no Temporal, no clock, no disk, no network.
//
// The words, each with one meaning:
//
//	shipment     one outgoing delivery of a confirmed order, from its release to its payment
//	scan         one statement by a partner about one shipment, with its place in that shipment's order of arrival
//	milestone    what a scan says has happened to the freight (picked up, delivered, ...)
//	journey      all that is known of one shipment's freight, folded from its scans
//	charge       one amount a carrier asks for (buy side) or a customer owes (sell side)
//	accessorial  a charge for a service beyond carriage: detention, liftgate, redelivery
//	rating       what the contracts say the charges should be
//	finding      what one audit rule says about one charge or one shipment
//	dispute      a finding that a person with authority must decide
//	exception    something the story cannot go past alone, with what to do about it
//	unmatched    of a scan: no shipment has its references, or several have; a person may say whose it is
//	candidate    a shipment that an unmatched scan may be of, for a person to judge
//	POD          proof of delivery
//	policy       a customer's terms of business with us, versioned
//
// Decisions are functions of (facts, terms, now). Missing facts never pass: they hold.
package freight
