package freight

// References are the numbers under which partners may speak of the shipment.
func (s *Shipment) References() (rs []Reference) {
	add := func(k ReferenceKind, v string) {
		if v != "" {
			rs = append(rs, Reference{Kind: k, Value: v})
		}
	}
	add(RefShipment, string(s.ID))
	add(RefOrder, s.Release.OrderName)
	add(RefCustomer, s.Release.CustomerPO)
	add(RefBOL, s.Release.PickingName)
	return append(append(rs, s.Booking.References()...), s.Release.Known...)
}
