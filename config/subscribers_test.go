package config_test

import (
	"slices"
	"testing"

	"waybill/internal/routing"
)

func TestSubscriberSaysAllThatCannotBeMeantOfItsLanes(t *testing.T) {
	path := write(t, "s.yaml", `store: {url: "sqlite:x.db"}
subscribers:
  - {name: portal, url: "https://portal.example.com/hooks", secrets: [x], from: [Germany], to: [CH, AT], postcodes: ["39", ""]}
  - {name: shop, url: "https://shop.example.com/hooks", secrets: [x], from: DE, lanes: [DE-CH]}
`)
	wantAll(t, load(t, path).ForSubscribers(), path,
		`$F: subscribers[0]: "Germany": want a country as two capital letters, such as DE`, `$F: subscribers[0]: postcodes mean nothing without one country in to`,
		`$F: subscribers[0]: an empty postcode matches every one: leave postcodes out`, `$F: subscribers[1].lanes: there is no such key`)
}

// TestSubscriberChoosesByWhatItsKeysSay follows each key to what shipments are matched by.
func TestSubscriberChoosesByWhatItsKeysSay(t *testing.T) {
	path := write(t, "s.yaml", `store: {url: "sqlite:x.db"}
subscribers:
  - {name: portal, url: "https://portal.example.com/hooks", secrets: [x], customers: [GLOBEX], from: [DE], to: [CH], postcodes: ["39"], services: [EXPRESS]}
`)
	c := load(t, path)
	if err := c.ForSubscribers(); err != nil {
		t.Fatal(err)
	}
	all := routing.Facts{Customer: "GLOBEX", From: "DE", To: "CH", Postcode: "3900", Service: "EXPRESS"}
	for what, change := range map[string]func(*routing.Facts){
		"customer": func(f *routing.Facts) { f.Customer = "ACME" }, "from": func(f *routing.Facts) { f.From = "AT" }, "to": func(f *routing.Facts) { f.To = "DE" },
		"postcode": func(f *routing.Facts) { f.Postcode = "8000" }, "service": func(f *routing.Facts) { f.Service = "" },
	} {
		other := all
		change(&other)
		if misses := c.Subscribers[0].Shipments().Misses(other); !slices.Equal(misses, []string{what}) {
			t.Errorf("another %s: %q", what, misses)
		}
	}
	if !c.Subscribers[0].Shipments().Matches(all) {
		t.Error("what it asked for is not for it")
	}
}
