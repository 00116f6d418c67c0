package relay_test

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/starters/bridge"
	"waybill/starters/bridge/authn"
	"waybill/starters/bridge/connectors/declared"
	"waybill/workflows/freight"
)

// sender is a partner at the other end: what it sends about one parcel, how it proves that, and what it takes for a yes.
type sender struct {
	first, whole string // a delivery, and one later with all of its history
	known        freight.Reference
	heard        []freight.Milestone // by the shipment, in the order they came
	media        string              // "": application/json
	prove        func(req *http.Request, body, secret string, now time.Time)
	yes          int  // 0: 202 with a receipt
	id           bool // the partner's own id is the delivery's; else the hash of the body
}

const agreed = "clé secrète of the partner" // accents: one partner normalises them

func mac(key, text string) []byte {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(text))
	return m.Sum(nil)
}

// signs puts a signature of the body into a header, as its encoding writes it.
func signs(header, prefix string, encode func([]byte) string) func(*http.Request, string, string, time.Time) {
	return func(req *http.Request, body, secret string, _ time.Time) {
		req.Header.Set(header, prefix+encode(mac(secret, body)))
	}
}

func shows(header, prefix string) func(*http.Request, string, string, time.Time) {
	return func(req *http.Request, _, secret string, _ time.Time) { req.Header.Set(header, prefix+secret) }
}

func tracking(carrier freight.CarrierCode, number string) freight.Reference {
	return freight.Reference{Kind: freight.RefTracking, Carrier: carrier, Value: number}
}

var inTransitThenDelivered = []freight.Milestone{freight.InTransit, freight.Delivered}

// senders are one for each connector that comes with Waybill.
var senders = map[string]sender{
	"easypost": {
		first: `{"id":"evt_1","object":"Event","mode":"production","description":"tracker.updated","result":{"object":"Tracker","mode":"production","tracking_code":"EZ1","carrier":"USPS","status":"in_transit","updated_at":"2026-11-23T09:00:00Z",
			"tracking_details":[{"status":"in_transit","datetime":"2026-11-23T08:00:00Z","tracking_location":{"city":"RENO","state":"NV","zip":"89501","country":"US"}}]}}`,
		whole: `{"id":"evt_2","object":"Event","mode":"production","description":"tracker.updated","result":{"object":"Tracker","mode":"production","tracking_code":"EZ1","carrier":"USPS","status":"delivered","updated_at":"2026-11-24T09:00:00Z",
			"tracking_details":[{"status":"in_transit","datetime":"2026-11-23T08:00:00Z","tracking_location":{"city":"RENO","state":"NV","zip":"89501","country":"US"}},{"status":"delivered","datetime":"2026-11-24T08:00:00Z","tracking_location":{"city":"RENO","state":"NV","zip":"89501","country":"US"}}]}}`,
		known: tracking("USPS", "EZ1"), heard: inTransitThenDelivered, id: true,
		prove: func(req *http.Request, body, secret string, _ time.Time) {
			decomposed := strings.NewReplacer("é", "e\u0301", "è", "e\u0300").Replace(secret)
			req.Header.Set("X-Hmac-Signature", "hmac-sha256-hex="+hex.EncodeToString(mac(decomposed, body)))
		},
	},
	"shippo": {
		first: `{"event":"track_updated","test":false,"data":{"carrier":"usps","tracking_number":"SH1","tracking_history":[{"status":"TRANSIT","status_date":"2026-11-23T08:00:00Z"}]}}`,
		whole: `{"event":"track_updated","test":false,"data":{"carrier":"usps","tracking_number":"SH1","tracking_history":[{"status":"TRANSIT","status_date":"2026-11-23T08:00:00Z"},{"status":"DELIVERED","status_date":"2026-11-24T08:00:00Z","substatus":{"code":"delivered"}}]}}`,
		known: tracking("USPS", "SH1"), heard: inTransitThenDelivered,
		prove: func(req *http.Request, body, secret string, now time.Time) {
			t := strconv.FormatInt(now.Unix(), 10)
			req.Header.Set("Shippo-Auth-Signature", "t="+t+",v1="+hex.EncodeToString(mac(secret, t+"."+body)))
		},
	},
	"aftership": {
		first: `{"event":"tracking_update","event_id":"11111111-2222-4333-8444-555555555555","msg":{"tracking_number":"AS1","slug":"fedex","tag":"InTransit","checkpoints":[{"tag":"InTransit","subtag":"InTransit_001","checkpoint_time":"2026-11-23T08:00:00-05:00"}]}}`,
		whole: `{"event":"tracking_update","event_id":"11111111-2222-4333-8444-666666666666","msg":{"tracking_number":"AS1","slug":"fedex","tag":"Delivered","checkpoints":[{"tag":"InTransit","subtag":"InTransit_001","checkpoint_time":"2026-11-23T08:00:00-05:00"},{"tag":"Delivered","subtag":"Delivered_001","checkpoint_time":"2026-11-24T09:00:00+08:00"}]}}`,
		known: tracking("FEDEX", "AS1"), heard: inTransitThenDelivered, id: true,
		prove: signs("aftership-hmac-sha256", "", base64.StdEncoding.EncodeToString),
	},
	"fedex": {
		first: `{"output":{"completeTrackResults":[{"trackingNumber":"FX1","trackResults":[{"trackingNumberInfo":{"trackingNumber":"FX1","trackingNumberUniqueId":"1~FX1~FDEG"},"scanEvents":[{"date":"2026-11-23T08:00:00-06:00","eventType":"IT"}]}]}]}}`,
		whole: `{"output":{"completeTrackResults":[{"trackingNumber":"FX1","trackResults":[{"trackingNumberInfo":{"trackingNumber":"FX1","trackingNumberUniqueId":"1~FX1~FDEG"},"scanEvents":[{"date":"2026-11-24T05:00:00-06:00","eventType":"DL","derivedStatusCode":"DL"},{"date":"2026-11-23T08:00:00-06:00","eventType":"IT"}]}]}]}}`,
		known: tracking("FEDEX", "FX1"), heard: inTransitThenDelivered,
		prove: signs("fdx-signature", "", base64.StdEncoding.EncodeToString),
	},
	"ups": {
		first: `{"trackingNumber":"1Z1","gmtActivityDate":"20261123","gmtActivityTime":"080000","activityStatus":{"type":"I","code":"DP","description":"Departed"}}`,
		whole: `{"trackingNumber":"1Z1","gmtActivityDate":"20261124","gmtActivityTime":"080000","activityStatus":{"type":"D","code":"FS","description":"Delivered"},"receivedBy":"R RECEIVER"}`,
		known: tracking("UPS", "1Z1"), heard: []freight.Milestone{freight.DepartedFacility, freight.Delivered}, yes: http.StatusOK,
		prove: shows("x-api-key", ""),
	},
	"dhl": {
		first: `{"shipments":[{"id":7777770001,"service":"express","events":[{"timestamp":"2026-11-23T08:00:00+01:00","statusCode":"transit","location":{"address":{"countryCode":"NL","addressLocality":"Utrecht"}}}]}]}`,
		whole: `{"shipments":[{"id":7777770001,"service":"express","status":{"statusCode":"delivered","timestamp":"2026-11-24T08:00:00+01:00"},"events":[{"timestamp":"2026-11-24T08:00:00+01:00","statusCode":"delivered","location":{"address":{"countryCode":"NL","addressLocality":"Utrecht"}}},{"timestamp":"2026-11-23T08:00:00+01:00","statusCode":"transit","location":{"address":{"countryCode":"NL","addressLocality":"Utrecht"}}}]}]}`,
		known: tracking("DHL", "7777770001"), heard: inTransitThenDelivered, yes: http.StatusOK,
		prove: shows("DHL-API-Key", ""),
	},
	"dcsa": {
		first: `[{"eventID":"1","eventType":"TRANSPORT","transportEventTypeCode":"DEPA","eventClassifierCode":"ACT","eventDateTime":"2026-11-23T08:00:00Z","documentReferences":[{"documentReferenceType":"TRD","documentReferenceValue":"BL1"}],"transportCall":{"UNLocationCode":"BEANR","vessel":{"vesselOperatorCarrierCode":"MSCU"}}}]`,
		whole: `[{"eventID":"1","eventType":"TRANSPORT","transportEventTypeCode":"DEPA","eventClassifierCode":"ACT","eventDateTime":"2026-11-23T08:00:00Z","documentReferences":[{"documentReferenceType":"TRD","documentReferenceValue":"BL1"}],"transportCall":{"UNLocationCode":"BEANR","vessel":{"vesselOperatorCarrierCode":"MSCU"}}},
			{"eventID":"2","eventType":"TRANSPORT","transportEventTypeCode":"ARRI","eventClassifierCode":"ACT","eventDateTime":"2026-11-24T08:00:00Z","documentReferences":[{"documentReferenceType":"TRD","documentReferenceValue":"BL1"}],"transportCall":{"UNLocationCode":"NLRTM","vessel":{"vesselOperatorCarrierCode":"MSCU"}}}]`,
		known: freight.Reference{Kind: freight.RefBOL, Value: "BL1"}, heard: []freight.Milestone{freight.DepartedFacility, freight.ArrivedAtFacility},
		prove: signs("Notification-Signature", "sha256=", hex.EncodeToString),
	},
	"karrio": {
		first: `{"event":"tracker_updated","data":{"carrier_name":"ups","tracking_number":"KA1","status":"in_transit","test_mode":false,"events":[{"timestamp":"2026-11-23T08:00:00Z","code":"ZZ","status":"in_transit"}]}}`,
		whole: `{"event":"tracker_updated","data":{"carrier_name":"ups","tracking_number":"KA1","status":"delivered","test_mode":false,"events":[{"timestamp":"2026-11-24T08:00:00Z","code":"ZZ","status":"delivered"},{"timestamp":"2026-11-23T08:00:00Z","code":"ZZ","status":"in_transit"}]}}`,
		known: tracking("UPS", "KA1"), heard: inTransitThenDelivered,
		prove: shows("X-Event-Id", ""),
	},
	"gls": {
		first: `{"parcels":[{"unitno":"GL1","events":[{"code":"INBOUND.NORMAL","city":"Kassel","country":"DE","eventDateTime":"2026-11-23T08:00:00+0100"}]}]}`,
		whole: `{"parcels":[{"unitno":"GL1","events":[{"code":"INBOUND.NORMAL","city":"Kassel","country":"DE","eventDateTime":"2026-11-23T08:00:00+0100"},{"code":"DELIVERED.NORMAL","city":"Lyon","country":"FR","eventDateTime":"2026-11-24T08:00:00+0100"}]}]}`,
		known: tracking("GLS", "GL1"), heard: []freight.Milestone{freight.ArrivedAtFacility, freight.Delivered},
		prove: shows("X-Api-Key", ""),
	},
	"dpd": {
		first: dpd("DP1", "BetweenDepots", "11/23/2026 5:20:00 PM"), whole: dpd("DP1", "BetweenDepots", "11/23/2026 5:20:00 PM", "Delivered", "11/24/2026 9:20:00 AM"), media: "text/xml; charset=utf-8",
		known: tracking("DPD", "DP1"), heard: inTransitThenDelivered,
		prove: func(req *http.Request, _, secret string, _ time.Time) { req.SetBasicAuth("dpd", secret) },
	},
	"landmark": {
		first: landmark("LM1", "275", "11/23/2026 09:10 AM"), whole: landmark("LM1", "275", "11/23/2026 09:10 AM", "500", "11/24/2026 09:10 AM"), media: "application/xml",
		known: tracking("LANDMARK", "LM1"), heard: inTransitThenDelivered,
		prove: func(req *http.Request, _, secret string, _ time.Time) {
			from := "192.0.2.7"
			if secret != agreed {
				from = "198.51.100.7"
			}
			req.Header.Set("X-Forwarded-For", "203.0.113.1, "+from) // the first is what the sender says of itself
		},
	},
}

func dpd(number string, codesAndTimes ...string) string {
	var b strings.Builder
	for pair := range slices.Chunk(codesAndTimes, 2) {
		fmt.Fprintf(&b, `<statusInfo><status>%s</status><statusHasBeenReached>true</statusHasBeenReached><location><content>Gent (BE)</content></location><date><content>%s</content></date></statusInfo>`, pair[0], pair[1])
	}
	return `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><getTrackingDataResponse><trackingresult><shipmentInfo><parcelLabelNumber>` + number + `</parcelLabelNumber></shipmentInfo>` + b.String() +
		`</trackingresult></getTrackingDataResponse></s:Body></s:Envelope>`
}

func landmark(number string, codesAndTimes ...string) string {
	var b strings.Builder
	for pair := range slices.Chunk(codesAndTimes, 2) {
		fmt.Fprintf(&b, `<Event><Status>On its way</Status><DateTime>%s</DateTime><Location>Utrecht, NL</Location><EventCode>%s</EventCode></Event>`, pair[1], pair[0])
	}
	return `<TrackResponse><Result><Packages><Package><LandmarkTrackingNumber>` + number + `</LandmarkTrackingNumber><Events>` + b.String() + `</Events></Package></Packages></Result></TrackResponse>`
}

// edge is a bridge over HTTP before a world's store, with one source for each connector, named as it is.
type edge struct {
	*world
	url     string
	sources declared.Sources
}

func newEdge(w *world) *edge {
	w.Helper()
	catalog, err := declared.NewCatalog(false)
	if err != nil {
		w.Fatal(err)
	}
	e := &edge{world: w, sources: declared.Sources{Catalog: catalog, Named: map[string]string{}}}
	o := bridge.Options{Inbox: w.store, Log: zap.NewNop(), Now: w.clock.Now, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	for name := range senders {
		e.sources.Named[name] = name
		o.Sources = append(o.Sources, e.source(name))
	}
	b, err := bridge.New(o)
	if err != nil {
		w.Fatal(err)
	}
	s := httptest.NewServer(b)
	w.Cleanup(s.Close)
	e.url = s.URL
	return e
}

func (e *edge) source(name string) bridge.Source {
	e.Helper()
	found, err := e.sources.Catalog.Find(name)
	if err != nil {
		e.Fatal(err)
	}
	proof, err := authn.New(found.Auth)
	if err != nil {
		e.Fatal(err)
	}
	types := bridge.JSONTypes
	if found.Content == "xml" {
		types = bridge.XMLTypes
	}
	secret := agreed
	if found.Auth.Scheme == authn.Basic {
		secret = "dpd:" + agreed
	}
	m := bridge.Manner{Proof: proof, Secrets: func() ([]string, error) { return []string{"the next one", secret}, nil }, Foreign: true}
	return bridge.Source{Name: name, Limit: found.Bytes, Types: types, Manner: func() bridge.Manner { return m }}
}

// said is what the bridge answered.
type said struct {
	status int
	repeat bool
	id     string
}

func (e *edge) send(name, body, secret string) (a said) {
	e.Helper()
	s := senders[name]
	req, err := http.NewRequestWithContext(e.Context(), http.MethodPost, e.url+"/v1/events/"+name, strings.NewReader(body))
	if err != nil {
		e.Fatal(err)
	}
	req.Header.Set("Content-Type", cmp.Or(s.media, "application/json"))
	s.prove(req, body, secret, e.clock.Now())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		e.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		e.Fatal(err)
	}
	a.status, a.repeat = resp.StatusCode, resp.Header.Get("Waybill-Repeat") == "true"
	var receipt struct {
		ID     string
		Repeat bool
	}
	switch {
	case s.yes != 0 && a.status == s.yes && len(text) > 0:
		e.Errorf("%s takes a bare %d, and is told %s", name, s.yes, text)
	case a.status == http.StatusAccepted && json.Unmarshal(text, &receipt) == nil:
		a.repeat, a.id = receipt.Repeat, receipt.ID
	}
	return a
}

// kept is the newest delivery of a source.
func (e *edge) kept(name string) store.Delivery {
	e.Helper()
	ds, err := e.store.Deliveries(e.Context(), "", name, 1)
	if err != nil || len(ds) != 1 {
		e.Fatal(ds, err)
	}
	return ds[0]
}

func TestEachPartnersDeliveriesReachTheirShipmentOverHTTP(t *testing.T) {
	catalog, err := declared.NewCatalog(false)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range catalog.Names() {
		if _, ok := senders[c]; !ok {
			t.Errorf("no sender speaks as %s does", c)
		}
	}
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		e := newEdge(newWorld(t, db))
		for name, s := range senders {
			t.Run(name, func(t *testing.T) {
				w := *e.world
				w.T = t
				(&edge{&w, e.url, e.sources}).proves(name, s)
			})
		}
	})
}

// proves sends all that a partner sends, and looks at what becomes of it.
func (e *edge) proves(name string, s sender) {
	e.Helper()
	id := freight.ShipmentID(fmt.Sprintf("acme-%d", 1+slices.Index(slices.Sorted(maps.Keys(senders)), name)))
	e.record(store.Entry{View: freight.View{Shipment: id, Revision: 1}, References: []freight.Reference{s.known}})
	e.temporal.start(id)
	yes := cmp.Or(s.yes, http.StatusAccepted)
	r := e.relay("r")
	r.Connectors = e.sources

	if a := e.send(name, s.first, "another secret"); a.status != http.StatusUnauthorized {
		e.Errorf("signed with another secret: %+v", a)
	}
	if a := e.send(name, s.first, agreed); a.status != yes || a.repeat {
		e.Fatalf("the first: %+v", a)
	}
	d := e.kept(name)
	if !bytes.Equal(d.Body, []byte(s.first)) || strings.HasPrefix(d.ID, "sha256:") == s.id {
		e.Errorf("kept under %s, as %s", d.ID, d.Body)
	}
	if a := e.send(name, s.first, agreed); a.status != yes || !a.repeat {
		e.Errorf("again: %+v", a)
	}
	e.once(r)
	if a := e.send(name, s.whole, agreed); a.status != yes || a.repeat {
		e.Errorf("the whole history: %+v", a)
	}
	e.once(r)
	e.reached(name, id, s)

	poison := `{"poison":`
	if strings.Contains(s.media, "xml") {
		poison = `<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>`
	}
	if a := e.send(name, poison, agreed); a.status != yes {
		e.Errorf("poison: %+v", a)
	}
	e.once(r)
	if d := e.kept(name); d.State != store.Dead || d.Reason == "" || d.Connector != e.version(name) || string(d.Body) != poison {
		e.Errorf("poison is %+v", d)
	}
	if ds, err := e.store.Deliveries(e.Context(), "", name, 10); err != nil || len(ds) != 3 {
		e.Errorf("%d are kept, want two and the poison; %v", len(ds), err)
	}
}

// version is the one that reads a source, as easypost@1.
func (e *edge) version(name string) string {
	e.Helper()
	c, err := e.sources.Connector(name)
	if err != nil {
		e.Fatal(err)
	}
	return c.ID()
}

// reached holds that a shipment has heard a partner's statements, each once, and what is kept says who read them.
func (e *edge) reached(name string, id freight.ShipmentID, s sender) {
	e.Helper()
	var heard []freight.Milestone
	for _, d := range e.deliveries(name) {
		fs, err := e.store.FiledFrom(e.Context(), d.Seq)
		if err != nil || d.State != store.Done || d.Connector != e.version(name) {
			e.Errorf("%+v, %v", d, err)
		}
		for _, f := range fs {
			heard = append(heard, f.Scan.Milestone)
			if f.State != "sent" || f.Shipment != id || f.Connector != e.version(name) || f.Scan.Carrier != s.known.Carrier && s.known.Carrier != "" {
				e.Errorf("%+v", f)
			}
		}
	}
	if !slices.Equal(heard, s.heard) {
		e.Errorf("it says %v, want %v", heard, s.heard)
	}
	if got := e.temporal.story(id); len(got.heard) != len(s.heard) || len(got.gaps) > 0 {
		e.Errorf("the shipment hears %v; gaps %v", got.heard, got.gaps)
	}
}

// TestEachPartnersLastNumberDeliversTheShipment: who tracks by number knows one parcel, and a shipment under several is
// billed for none of them before the last, however many pieces Odoo has released.
func TestEachPartnersLastNumberDeliversTheShipment(t *testing.T) {
	for name, s := range senders {
		if !slices.Contains(s.heard, freight.Delivered) {
			continue
		}
		for n := 1; n <= 3; n++ {
			t.Run(fmt.Sprintf("%s with %d", name, n), func(t *testing.T) {
				newEdge(newWorld(t, storetest.SQLite(t))).deliversInParts(name, s, n)
			})
		}
	}
}

// deliversInParts has a partner tell, number by number, that n parcels were delivered.
func (e *edge) deliversInParts(name string, s sender, n int) {
	e.Helper()
	e.temporal.start("acme-1")
	var numbers []freight.Reference
	for i := range n {
		numbers = append(numbers, tracking(s.known.Carrier, s.known.Value+strconv.Itoa(i)))
	}
	e.record(store.Entry{View: freight.View{Shipment: "acme-1", Revision: 1}, References: numbers})
	r := e.relay("r")
	r.Connectors = e.sources
	story := freight.Shipment{Release: freight.Release{Pieces: 5}, Stage: freight.StageTransit, Since: e.clock.Now()}
	for i, number := range numbers {
		if a := e.send(name, strings.ReplaceAll(s.whole, s.known.Value, number.Value), agreed); a.status >= 300 {
			e.Fatalf("answered %+v", a)
		}
		e.once(r)
		fs, err := e.store.FiledFrom(e.Context(), e.kept(name).Seq)
		if err != nil || len(fs) == 0 {
			e.Fatal(fs, err)
		}
		for _, f := range fs {
			if want := freight.ParcelID(number.Value); f.Shipment != "acme-1" || n > 1 && (f.Scan.Parcel != want || f.Scan.Numbered != n) || n == 1 && f.Scan.Parcel != "" {
				e.Errorf("%s is of parcel %q of %d, shipment %q", f.Scan.Milestone, f.Scan.Parcel, f.Scan.Numbered, f.Shipment)
			}
			story.Journey.Apply(f.Scan)
		}
		short := ""
		if i < n-1 {
			short = fmt.Sprintf("%d of %d pieces", i+1, n)
		}
		if story.Delivered() != (i == n-1) || story.Shortage() != short {
			e.Errorf("after %d of %d numbers delivered is %v, short %q", i+1, n, story.Delivered(), story.Shortage())
		}
	}
}

func (e *edge) deliveries(name string) []store.Delivery {
	e.Helper()
	ds, err := e.store.Deliveries(e.Context(), "", name, 100)
	if err != nil {
		e.Fatal(err)
	}
	slices.Reverse(ds)
	return ds
}

func TestSignedBodyThatIsChangedOnTheWayIsRefused(t *testing.T) {
	e := newEdge(newWorld(t, storetest.SQLite(t)))
	for name, s := range senders {
		if name == "landmark" || name == "dpd" || name == "gls" || name == "ups" || name == "dhl" || name == "karrio" {
			continue // what they prove does not cover the body: TLS has to
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url+"/v1/events/"+name, strings.NewReader(strings.Replace(s.first, "2026-11-23", "2026-11-22", 1)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		s.prove(req, s.first, agreed, e.clock.Now())
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: answered %d", name, resp.StatusCode)
		}
	}
	if ds, err := e.store.Deliveries(t.Context(), "", "", 10); err != nil || len(ds) > 0 {
		t.Errorf("%d are kept, %v", len(ds), err)
	}
}

// TestPartnersIdThatComesAgainWithMoreLosesNothing: a partner counts what it sends again under the id of before.
func TestPartnersIdThatComesAgainWithMoreLosesNothing(t *testing.T) {
	e := newEdge(newWorld(t, storetest.SQLite(t)))
	s := senders["easypost"]
	e.record(store.Entry{View: freight.View{Shipment: "acme-1", Revision: 1}, References: []freight.Reference{s.known}})
	e.temporal.start("acme-1")
	more := strings.Replace(s.whole, `"id":"evt_2"`, `"id":"evt_1"`, 1)
	for i, body := range []string{s.first, more, more} {
		if a := e.send("easypost", body, agreed); a.status != http.StatusAccepted || a.repeat != (i == 2) {
			t.Errorf("delivery %d: %+v", i, a)
		}
	}
	r := e.relay("r")
	r.Connectors = e.sources
	e.once(r)
	if ds := e.deliveries("easypost"); len(ds) != 2 || ds[0].ID != "evt_1" || !strings.HasPrefix(ds[1].ID, "evt_1#") {
		t.Errorf("%+v", ds)
	}
	if got := e.temporal.story("acme-1"); len(got.heard) != 2 {
		t.Errorf("the shipment hears %v", got.heard)
	}
}
