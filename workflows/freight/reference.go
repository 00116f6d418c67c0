package freight

// References are the numbers under which partners may speak of the shipment.
func (s *Shipment) References() (rs []Reference) {
	add := func(k ReferenceKind, c CarrierCode, v string) {
		if v != "" {
			rs = append(rs, Reference{Kind: k, Carrier: c, Value: v})
		}
	}
	add(RefShipment, "", string(s.ID))
	add(RefOrder, "", s.Release.OrderName)
	add(RefCustomer, "", s.Release.CustomerPO)
	add(RefBOL, "", s.Release.PickingName)
	add(RefPRO, s.Booking.Carrier, s.Booking.PRO)
	return append(rs, s.Release.Known...)
}
