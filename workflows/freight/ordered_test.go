package freight_test

import (
	"slices"
	"testing"
	"time"

	"waybill/workflows/freight"
)

func asked() freight.Ordered {
	return freight.Ordered{
		Lines:  []freight.OrderedLine{{ID: 1, Product: "DESK", Quantity: "2"}, {ID: 2, Product: "LAMP", Quantity: "1"}},
		ShipTo: freight.Place{Ref: 7, Country: "US", Postcode: "75001"}, Street: freight.HashOf("Main Street 1"), By: noon,
	}
}

func TestChangesOfAnOrderAreToldInWords(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*freight.Ordered)
		want   []string
	}{
		"nothing":      {func(*freight.Ordered) {}, nil},
		"another zone": {func(o *freight.Ordered) { o.By = noon.In(time.FixedZone("CET", 3600)) }, nil},
		"quantity":     {func(o *freight.Ordered) { o.Lines[0].Quantity = "3" }, []string{"3 of DESK, was 2 of DESK"}},
		"a line more": {func(o *freight.Ordered) {
			o.Lines = append(o.Lines, freight.OrderedLine{ID: 3, Product: "SOFA", Quantity: "1"})
		}, []string{"1 of SOFA, new"}},
		"a line less":     {func(o *freight.Ordered) { o.Lines = o.Lines[:1] }, []string{"none of LAMP, was 1"}},
		"lines beyond":    {func(o *freight.Ordered) { o.Others = "x" }, []string{"other lines are otherwise"}},
		"postcode":        {func(o *freight.Ordered) { o.ShipTo.Postcode = "10001" }, []string{"to be delivered to US 10001, was US 75001"}},
		"street":          {func(o *freight.Ordered) { o.Street = freight.HashOf("Main Street 2") }, []string{"to be delivered to another street or town in US 75001"}},
		"contact":         {func(o *freight.Ordered) { o.ShipTo.Ref = 8 }, []string{"to be delivered to another contact at the same address"}},
		"date":            {func(o *freight.Ordered) { o.By = noon.Add(day) }, []string{"wanted by 2026-11-25 12:00 UTC, was by 2026-11-24 12:00 UTC"}},
		"no date anymore": {func(o *freight.Ordered) { o.By = time.Time{} }, []string{"wanted at no time in particular, was by 2026-11-24 12:00 UTC"}},
		"two at once":     {func(o *freight.Ordered) { o.Lines[1].Quantity, o.ShipTo.Country = "5", "CA" }, []string{"5 of LAMP, was 1 of LAMP", "to be delivered to CA 75001, was US 75001"}},
	} {
		t.Run(name, func(t *testing.T) {
			is := asked()
			tt.change(&is)
			if got := is.Changes(asked()); !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if same := is.Hash() == asked().Hash(); same != (len(tt.want) == 0) {
				t.Errorf("the same hash: %v", same)
			}
			if err := is.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

const day = 24 * time.Hour

// TestOrderOfAnEarlierReleaseIsNotCompared: what it asked then is not known.
func TestOrderOfAnEarlierReleaseIsNotCompared(t *testing.T) {
	var s freight.Shipment
	if changes, news := s.See(asked()); news || changes != nil || s.Ordered != nil {
		t.Errorf("%q, %v", changes, news)
	}
}
