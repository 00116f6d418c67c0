package shipment_test

import (
	"testing"
	"time"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// TestRunningShipmentKeepsWhoseItsExceptionsAre, by the terms it was released with.
func TestRunningShipmentKeepsWhoseItsExceptionsAre(t *testing.T) {
	s := newStory(t)
	own := terms()
	own.Exceptions = &freight.ExceptionTerms{Kinds: []freight.Handling{{Kind: freight.TenderOverdue, Owner: freight.Finance, Within: time.Hour}}}
	s.at(25*time.Hour, func() {
		st := s.state()
		e := open(st, freight.TenderOverdue)
		if len(e) != 1 || e[0].Owner != freight.Finance || !e[0].DueBy.Equal(e[0].OpenedAt.Add(time.Hour)) || st.Shown.Owner != freight.Finance || !st.Shown.Due.Equal(e[0].DueBy) {
			t.Errorf("%+v, shown %+v", e, st.Shown)
		}
		s.cancel("odoo")
	})
	s.ExecuteWorkflow(protocol.Shipment.Name, protocol.ShipmentInput{ID: shipmentID, Picking: 7, ReleasedBy: "odoo-scan", Terms: own, Edition: protocol.Carrying})
	s.finished(freight.StageCancelled)
}
