package carriertest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

type object = map[string]any

// write is an answer in the provider's form. EasyPost, AfterShip and DCSA answer an unknown number with an empty list.
func (p *Provider) write(number string, v parcel, known bool) any {
	list := []any{}
	switch p.form {
	case "easypost":
		if known {
			list = append(list, tracker(number, v))
		}
		return object{"trackers": list, "has_more": false}
	case "aftership":
		if known {
			list = append(list, tracking(number, v))
		}
		return object{"meta": object{"code": 200}, "data": object{"trackings": list}}
	case "shippo":
		return track(number, v)
	case "karrio":
		return karrio(number, v)
	case "dhl":
		return unified(number, v)
	}
	for _, s := range v.scans {
		list = append(list, event(number, v, s))
	}
	return list
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// tracker is EasyPost's.
func tracker(number string, v parcel) object {
	details := []any{}
	for _, s := range v.scans {
		status, detail, _ := strings.Cut(s.Code, "/")
		details = append(details, object{"object": "TrackingDetail", "status": status, "status_detail": detail, "datetime": stamp(s.At), "tracking_location": object{"city": "GENT", "zip": "9000", "country": "BE"}})
	}
	status, _, _ := strings.Cut(v.scans[len(v.scans)-1].Code, "/")
	return object{"id": "trk_" + number, "object": "Tracker", "mode": "production", "tracking_code": number, "carrier": v.carrier, "status": status, "updated_at": stamp(v.updated), "tracking_details": details}
}

// tracking is AfterShip's.
func tracking(number string, v parcel) object {
	points := []any{}
	for _, s := range v.scans {
		tag, _, _ := strings.Cut(s.Code, "_")
		points = append(points, object{"tag": tag, "subtag": s.Code, "checkpoint_time": stamp(s.At), "city": "Gent", "country_name": "Belgium"})
	}
	tag, _, _ := strings.Cut(v.scans[len(v.scans)-1].Code, "_")
	return object{"tracking_number": number, "slug": v.carrier, "tag": tag, "updated_at": stamp(v.updated), "checkpoints": points}
}

// track is Shippo's.
func track(number string, v parcel) object {
	var history []any
	for _, s := range v.scans {
		status, sub, _ := strings.Cut(s.Code, "/")
		history = append(history, object{"status": status, "substatus": object{"code": sub}, "status_date": stamp(s.At), "location": object{"city": "Reno", "state": "NV", "country": "US"}})
	}
	return object{"carrier": v.carrier, "tracking_number": number, "tracking_history": history, "tracking_status": history[len(history)-1]}
}

// karrio is Karrio's, the newest event first.
func karrio(number string, v parcel) object {
	var events []any
	for _, s := range slices.Backward(v.scans) {
		events = append(events, object{"timestamp": s.At.UTC().Format("2006-01-02T15:04:05.000Z"), "code": "ZZ", "status": s.Code, "location": "Gent"})
	}
	return object{"id": "trk_" + number, "object_type": "tracker", "carrier_name": v.carrier, "tracking_number": number, "status": v.scans[len(v.scans)-1].Code, "test_mode": false, "updated_at": stamp(v.updated), "events": events}
}

// unified is DHL's, the newest event first.
func unified(number string, v parcel) object {
	var events []any
	for _, s := range slices.Backward(v.scans) {
		events = append(events, object{"timestamp": stamp(s.At), "statusCode": s.Code, "status": strings.ToUpper(s.Code), "location": object{"address": object{"countryCode": "BE", "addressLocality": "Gent"}}})
	}
	return object{"shipments": []any{object{"id": number, "service": "express", "status": events[0], "events": events}}}
}

// event is DCSA's.
func event(number string, v parcel, s Scan) object {
	kind, code, _ := strings.Cut(s.Code, "/")
	return object{
		"eventID": fmt.Sprintf("%s-%s-%d", number, code, s.At.Unix()), "eventType": kind, "eventDateTime": stamp(s.At), "eventClassifierCode": "ACT", strings.ToLower(kind) + "EventTypeCode": code,
		"documentReferences": []any{object{"documentReferenceType": "BKG", "documentReferenceValue": number}}, "transportCall": object{"UNLocationCode": "BEANR", "vessel": object{"vesselOperatorCarrierCode": v.carrier}},
	}
}
