package connectors_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
)

// pulled turns a webhook of a partner into what its tracking API answers about the same parcel.
var pulled = map[string]func(webhook object) any{
	"easypost": func(w object) any { return object{"trackers": []any{inner(w, "result")}, "has_more": false} },
	"shippo":   func(w object) any { return w["data"] },
	"aftership": func(w object) any {
		return object{"meta": object{"code": 200}, "data": object{"trackings": []any{w["msg"]}}}
	},
	"karrio": func(w object) any { return w["data"] },
}

// inner is a member of an object, or the object where it is sent bare.
func inner(w object, key string) any {
	if v, ok := w[key]; ok {
		return v
	}
	return w
}

func TestWhatIsPulledHasTheKeysOfTheWebhookThatTellsTheSame(t *testing.T) {
	histories := map[string][]told{
		"easypost":  {at("in_transit/arrived_at_facility", 0), at("out_for_delivery", 60), at("delivered", 90), at("est_delivery_date", 120)},
		"shippo":    {at("TRANSIT/package_accepted", 0), at("TRANSIT/out_for_delivery", 60), at("eta", 120)},
		"aftership": {at("InTransit_001", 0), at("OutForDelivery_001", 60), at("edd_revise", 120)},
		"karrio":    {at("in_transit", 0), at("out_for_delivery", 60), at("estimated_delivery", 120)},
	}
	for name, shape := range pulled {
		body := writers[name](histories[name]...)
		var webhook object
		if err := json.Unmarshal(body, &webhook); err != nil {
			t.Fatal(err)
		}
		pushed, asked := map[string]bool{}, map[string]bool{}
		for _, e := range explain(t, name, body) {
			pushed[e.Scan.Key] = true
		}
		for _, e := range explain(t, name, text(shape(webhook))) {
			asked[e.Scan.Key] = true
		}
		if len(pushed) < 3 || !slices.Equal(slices.Sorted(maps.Keys(pushed)), slices.Sorted(maps.Keys(asked))) {
			t.Errorf("%s: the webhook has the keys\n%v\nand the API's answer\n%v", name, pushed, asked)
		}
	}
}
