package connectors_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
)

// told is one event in no partner's words.
type told struct {
	code string // as the partner's table has it
	at   time.Time
}

// at is an event some minutes after the first.
func at(code string, minutes int) told {
	return told{code, noon.Add(-48*time.Hour + time.Duration(minutes)*time.Minute)}
}

// writers write events as each partner would, in one delivery about parcel P1.
var writers = map[string]func(...told) []byte{
	"easypost": writeEasyPost, "shippo": writeShippo, "aftership": writeAfterShip, "ups": writeUPS, "fedex": writeFedEx, "dhl": writeDHL, "dcsa": writeDCSA, "karrio": writeKarrio,
}

type object = map[string]any

func text(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func stamp(t time.Time) string { return t.Format(time.RFC3339) }

func writeEasyPost(es ...told) []byte {
	tracker := object{"object": "Tracker", "mode": "production", "tracking_code": "P1", "carrier": "FedEx", "updated_at": stamp(noon), "status": "in_transit"}
	details := []any{}
	for _, e := range es {
		if e.code == "est_delivery_date" {
			tracker["est_delivery_date"] = stamp(e.at)
			continue
		}
		parts := strings.Split(e.code, "/")
		d := object{"datetime": stamp(e.at), "tracking_location": object{"city": "GENT", "zip": "9000", "country": "BE"}}
		switch {
		case parts[0] == "FedEx":
			d["carrier_code"], d["status"], d["status_detail"] = parts[1], "in_transit", "arrived_at_facility"
		case parts[0] == "return":
			tracker["is_return"] = true
			parts = append(parts[1:], "in_transit")
			d["status"] = parts[0]
			if e.code == "return" {
				d["status"] = "" // no status of its own: the row of all returns
			}
		default:
			d["status"] = parts[0]
			if len(parts) > 1 {
				d["status_detail"] = parts[1]
			}
		}
		details = append(details, d)
	}
	tracker["tracking_details"] = details
	return text(object{"id": "evt_1", "object": "Event", "description": "tracker.updated", "mode": "production", "result": tracker})
}

func writeShippo(es ...told) []byte {
	data := object{"carrier": "usps", "tracking_number": "P1", "metadata": "acme-1042"}
	var history []any
	for _, e := range es {
		if e.code == "eta" {
			data["eta"], data["tracking_status"] = stamp(e.at), object{"status": "PRE_TRANSIT", "status_date": stamp(noon.Add(-72 * time.Hour)), "object_updated": stamp(noon)}
			continue
		}
		status, sub, both := strings.Cut(e.code, "/")
		if !both && status == strings.ToLower(status) {
			status, sub = "TRANSIT", e.code
		}
		if sub == "delivered" {
			status = "DELIVERED"
		}
		h := object{"status": status, "status_date": stamp(e.at), "location": object{"city": "Reno", "state": "NV", "country": "US"}}
		if sub != "" {
			h["substatus"] = object{"code": sub}
		}
		history = append(history, h)
	}
	data["tracking_history"] = history
	return text(object{"event": "track_updated", "test": false, "data": data})
}

func writeAfterShip(es ...told) []byte {
	tracking := object{"tracking_number": "P1", "slug": "fedex", "tag": "InTransit", "order_number": "S00042", "updated_at": stamp(noon), "shipment_package_count": 1}
	checkpoints := []any{}
	for _, e := range es {
		if e.code == "edd_revise" {
			tracking["latest_estimated_delivery"] = object{"type": "specific", "datetime": stamp(e.at)}
			continue
		}
		tag, _, sub := strings.Cut(e.code, "_")
		c := object{"tag": tag, "checkpoint_time": stamp(e.at), "city": "Gent", "country_name": "Belgium"}
		if sub {
			c["subtag"] = e.code
		}
		checkpoints = append(checkpoints, c)
	}
	tracking["checkpoints"] = checkpoints
	return text(object{"event": "tracking_update", "event_id": "e1", "ts": 1, "msg": tracking})
}

func writeUPS(es ...told) []byte {
	if es[0].code == "scheduledDeliveryDate" {
		return text(object{"trackingNumber": "P1", "gmtActivityDate": es[0].at.Format("20060102"), "gmtActivityTime": es[0].at.Format("150405"), "activityStatus": object{"type": "I"}, "scheduledDeliveryDate": "20261126"})
	}
	var activity []any
	for _, e := range es {
		typ, code, both := strings.Cut(e.code, "/")
		if !both && len(typ) == 2 {
			typ, code = "X", e.code
		}
		activity = append(activity, object{"date": e.at.Format("20060102"), "time": e.at.Format("150405"), "gmtOffset": "+00:00", "status": object{"type": typ, "code": code}, "location": object{"address": object{"city": "Wayne", "stateProvince": "NJ", "countryCode": "US"}}})
	}
	return text(object{"trackResponse": object{"shipment": []any{object{"inquiryNumber": "P1", "package": []any{object{"trackingNumber": "P1", "packageCount": 1, "activity": activity}}}}}})
}

func writeFedEx(es ...told) []byte {
	result := object{"trackingNumberInfo": object{"trackingNumber": "P1", "trackingNumberUniqueId": "1~P1~FDEG"}, "packageDetails": object{"count": "1", "sequenceNumber": "1"}}
	var scans []any
	for _, e := range es {
		if e.code == "estimatedDeliveryTimeWindow" {
			result["estimatedDeliveryTimeWindow"] = object{"window": object{"ends": stamp(noon.Add(24 * time.Hour))}}
			scans = append(scans, object{"date": stamp(e.at), "eventType": "IT"})
			continue
		}
		code, exception, _ := strings.Cut(e.code, "/")
		scans = append(scans, object{"date": stamp(e.at), "eventType": code, "exceptionCode": exception, "scanLocation": object{"city": "CLOVIS", "stateOrProvinceCode": "CA", "countryCode": "US"}})
	}
	result["scanEvents"] = scans
	return text(object{"output": object{"completeTrackResults": []any{object{"trackingNumber": "P1", "trackResults": []any{result}}}}})
}

func writeDHL(es ...told) []byte {
	shipment := object{"id": 7777770001, "service": "express", "details": object{"references": object{"number": "acme-1042", "type": "customer-reference"}}}
	var events []any
	for _, e := range es {
		if e.code == "estimatedTimeOfDelivery" {
			shipment["estimatedTimeOfDelivery"] = stamp(noon.Add(24 * time.Hour))
			events = append(events, object{"timestamp": stamp(e.at), "statusCode": "transit"})
			continue
		}
		events = append(events, object{"timestamp": stamp(e.at), "statusCode": e.code, "status": strings.ToUpper(e.code), "location": object{"address": object{"countryCode": "NL", "addressLocality": "Utrecht"}}})
	}
	shipment["events"] = events
	return text(object{"shipments": []any{shipment}})
}

func writeDCSA(es ...told) []byte {
	var events []any
	for _, e := range es {
		parts := append(strings.Split(e.code, "/"), "")
		event := object{
			"eventID": fmt.Sprint("id-", e.code, e.at.Unix()), "eventType": parts[0], "eventDateTime": stamp(e.at), "eventClassifierCode": "ACT", strings.ToLower(parts[0]) + "EventTypeCode": parts[1],
			"documentReferences": []any{object{"documentReferenceType": "TRD", "documentReferenceValue": "P1"}}, "transportCall": object{"UNLocationCode": "BEANR"},
		}
		switch parts[2] {
		case "PLN":
			event["eventClassifierCode"] = "PLN"
		case "EMPTY":
			event["emptyIndicatorCode"] = "EMPTY"
		}
		events = append(events, event)
	}
	return text(events)
}

func writeKarrio(es ...told) []byte {
	tracker := object{"carrier_name": "ups", "tracking_number": "P1", "status": "in_transit", "test_mode": false, "updated_at": stamp(noon), "info": object{"order_id": "S00042"}}
	var events []any
	for _, e := range es {
		if e.code == "estimated_delivery" {
			tracker["estimated_delivery"] = e.at.Format("2006-01-02")
			continue
		}
		status, reason, _ := strings.Cut(e.code, "/")
		events = append(events, object{"timestamp": e.at.Format("2006-01-02T15:04:05.000Z"), "code": "ZZ", "status": status, "reason": reason, "location": "Gent"})
	}
	tracker["events"] = events
	return text(object{"event": "tracker_updated", "data": tracker})
}

func partner(t testing.TB, name string) connectors.Partner {
	t.Helper()
	return partners(t)[name]
}

func delivery(source string, body []byte) store.Delivery {
	return store.Delivery{Source: source, Body: body, ReceivedAt: noon, Headers: map[string]string{}}
}

// explain decodes a body, of which nothing may be refused.
func explain(t testing.TB, name string, body []byte) []connectors.Explained {
	t.Helper()
	es, err := partner(t, name).Explain(delivery(name, body), noon)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, body)
	}
	return es
}
