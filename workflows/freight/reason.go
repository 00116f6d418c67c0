package freight

import "slices"

// Reason is why freight is late, held, damaged or not delivered, in one vocabulary for all partners; their own codes
// are mapped to it and kept beside it. The texts are on the wire and in histories: none is ever renamed.
type Reason string

// The reasons, in groups by who answers for them.
const (
	ReasonCarrierDamage        Reason = "carrier_damaged_parcel"
	ReasonCarrierSorting       Reason = "carrier_sorting_error"
	ReasonCarrierAddress       Reason = "carrier_address_not_found"
	ReasonCarrierLost          Reason = "carrier_parcel_lost"
	ReasonCarrierTime          Reason = "carrier_not_enough_time"
	ReasonCarrierVehicle       Reason = "carrier_vehicle_issue"
	ReasonCarrierCapacity      Reason = "carrier_capacity_exceeded"
	ReasonCarrierMechanical    Reason = "carrier_mechanical_delay"
	ReasonCarrierKeying        Reason = "carrier_keying_error" // X12 1651 BF: the carrier takes a statement back
	ReasonLoadShifted          Reason = "load_shifted"         // BP
	ReasonParcelResearched     Reason = "parcel_being_researched"
	ReasonShipperCancelled     Reason = "retailer_cancelled"
	ReasonShipperData          Reason = "retailer_incorrect_data"
	ReasonShipperNotReady      Reason = "retailer_not_ready"
	ReasonShipperParcel        Reason = "retailer_incorrect_parcel"
	ReasonShipperDimensions    Reason = "retailer_incorrect_dimensions"
	ReasonShipperPackaging     Reason = "retailer_packaging_issue"
	ReasonShortage             Reason = "shortage"          // S1
	ReasonOverweight           Reason = "overweight"        // BQ
	ReasonMissingDocuments     Reason = "missing_documents" // BC
	ReasonConsigneeRefused     Reason = "consignee_refused"
	ReasonConsigneeClosed      Reason = "consignee_business_closed"
	ReasonConsigneeUnavailable Reason = "consignee_not_available"
	ReasonConsigneeNotHome     Reason = "consignee_not_home"
	ReasonConsigneeCancelled   Reason = "consignee_cancelled"
	ReasonConsigneeUnverified  Reason = "consignee_verification_failed"
	ReasonConsigneeAddress     Reason = "consignee_incorrect_address"
	ReasonConsigneeAccess      Reason = "consignee_access_restricted"
	ReasonConsigneeSafePlace   Reason = "consignee_safe_place_unavailable"
	ReasonCreditHold           Reason = "payment_credit_hold" // C2, B4
	ReasonAppointmentPending   Reason = "appointment_pending" // HB
	ReasonAppointmentMissed    Reason = "appointment_missed"
	ReasonLiftgateNeeded       Reason = "liftgate_needed_not_requested" // LG: an accessorial will follow
	ReasonCustomsDelay         Reason = "customs_delay"
	ReasonCustomsDocuments     Reason = "customs_documentation"
	ReasonCustomsDuties        Reason = "customs_duties_unpaid"
	ReasonCustomsProhibited    Reason = "customs_prohibited"
	ReasonCustomsInspection    Reason = "customs_inspection"
	ReasonRegulatoryHold       Reason = "regulatory_hold"
	ReasonWeather              Reason = "weather_delay"
	ReasonNaturalDisaster      Reason = "natural_disaster"
	ReasonForceMajeure         Reason = "force_majeure"
	ReasonSecurity             Reason = "security_issue"
	ReasonUnknown              Reason = "unknown"
)

// The reasons a statement is kept unclassified: they are about the statement, and nobody answers for them.
const (
	ReasonCodeUnknown     Reason = "code_unknown"     // no mapping has the partner's code
	ReasonContradictory   Reason = "contradictory"    // two fields of one statement exclude each other
	ReasonTimeImplausible Reason = "time_implausible" // before 2000, or still to come and yet reported as done
	ReasonRetracted       Reason = "retracted"        // the partner takes an earlier statement back
)

// faults is who answers for each reason: that decides who pays for redelivery and detention, and whether the clock
// of a promise stops.
var faults = []struct {
	party   FaultParty
	reasons []Reason
}{
	{FaultCarrier, []Reason{
		ReasonCarrierDamage, ReasonCarrierSorting, ReasonCarrierAddress, ReasonCarrierLost, ReasonCarrierTime, ReasonCarrierVehicle, ReasonCarrierCapacity,
		ReasonCarrierMechanical, ReasonCarrierKeying, ReasonLoadShifted, ReasonParcelResearched,
	}},
	{FaultShipper, []Reason{
		ReasonShipperCancelled, ReasonShipperData, ReasonShipperNotReady, ReasonShipperParcel, ReasonShipperDimensions, ReasonShipperPackaging, ReasonShortage,
		ReasonOverweight, ReasonMissingDocuments, ReasonLiftgateNeeded,
	}},
	{FaultConsignee, []Reason{
		ReasonConsigneeRefused, ReasonConsigneeClosed, ReasonConsigneeUnavailable, ReasonConsigneeNotHome, ReasonConsigneeCancelled, ReasonConsigneeUnverified,
		ReasonConsigneeAddress, ReasonConsigneeAccess, ReasonConsigneeSafePlace, ReasonCreditHold, ReasonAppointmentPending, ReasonAppointmentMissed,
	}},
	{FaultCustoms, []Reason{ReasonCustomsDelay, ReasonCustomsDocuments, ReasonCustomsDuties, ReasonCustomsProhibited, ReasonCustomsInspection, ReasonRegulatoryHold}},
	{FaultForceMajeure, []Reason{ReasonWeather, ReasonNaturalDisaster, ReasonForceMajeure, ReasonSecurity}},
	{FaultUnknown, []Reason{ReasonUnknown, ReasonCodeUnknown, ReasonContradictory, ReasonTimeImplausible, ReasonRetracted}},
}

// FaultParty is who answers for r; unknown for a reason that is not in the vocabulary.
func (r Reason) FaultParty() FaultParty {
	if party, ok := r.answers(); ok {
		return party
	}
	return FaultUnknown
}

// Known reports whether r is in the vocabulary.
func (r Reason) Known() bool { _, ok := r.answers(); return ok }

func (r Reason) answers() (FaultParty, bool) {
	for _, f := range faults {
		if slices.Contains(f.reasons, r) {
			return f.party, true
		}
	}
	return "", false
}

// Reasons lists the vocabulary, sorted.
func Reasons() (rs []Reason) {
	for _, f := range faults {
		rs = append(rs, f.reasons...)
	}
	slices.Sort(rs)
	return rs
}

// Known reports whether p is one of the parties above; the empty one is not.
func (p FaultParty) Known() bool {
	for _, f := range faults {
		if f.party == p {
			return true
		}
	}
	return false
}
