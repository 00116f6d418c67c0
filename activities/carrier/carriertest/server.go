// Package carriertest stands in for the tracking APIs of carriers and platforms, each in the form of its own.
package carriertest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"waybill/activities/carrier"
)

// Token is the one that a stand-in takes.
const Token = "tracking-token"

// Scan is one event of a parcel's history.
type Scan struct {
	Code string // in the provider's words, with "/" between status and detail
	At   time.Time
}

// Trouble is what happens to a call. The zero value is none.
type Trouble struct {
	Status     int           // it is answered so, and not looked at
	RetryAfter time.Duration // beside the status
	Lost       bool          // it is answered, and the answer is lost on the way
	Garbage    bool          // it is answered 200 with a page for people
}

// Provider is a stand-in for one provider.
type Provider struct {
	*httptest.Server
	form string

	mu      sync.Mutex
	parcels map[string]parcel
	trouble func(number string) Trouble
	calls   map[string]int
}

type parcel struct {
	carrier string
	scans   []Scan
	updated time.Time
}

// New starts a stand-in for the provider of a connector: easypost, shippo, aftership, dhl, karrio or dcsa. Close ends it.
func New(connector string) *Provider {
	p := &Provider{form: connector, parcels: map[string]parcel{}, calls: map[string]int{}}
	p.Server = httptest.NewServer(p)
	return p
}

// API is how the stand-in is asked.
func (p *Provider) API() carrier.API {
	a := carrier.Known()[p.form]
	paths := map[string]string{"karrio": "/v1/trackers/{number}", "dcsa": "/v2/events?carrierBookingReference={number}"}
	path := paths[p.form]
	if path == "" {
		_, rest, _ := strings.Cut(a.URL, "://")
		_, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	a.URL = p.URL + path
	return a
}

// Tell adds scans to a parcel's history; a parcel nobody has told of is not known.
func (p *Provider) Tell(carrier, number string, scans ...Scan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.parcels[number]
	v.carrier, v.scans = carrier, append(v.scans, scans...)
	v.updated = scans[len(scans)-1].At
	p.parcels[number] = v
}

// Troubled makes calls go wrong from now on; nil ends it.
func (p *Provider) Troubled(f func(number string) Trouble) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble = f
}

// Calls is how often a number was asked about.
func (p *Provider) Calls(number string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[number]
}

// ServeHTTP implements http.Handler.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	carrier, number, ok := p.asked(r)
	p.mu.Lock()
	p.calls[number]++
	v, known := p.parcels[number]
	trouble := p.trouble
	p.mu.Unlock()
	var t Trouble
	if trouble != nil {
		t = trouble(number)
	}
	switch {
	case t.Status != 0:
		if t.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(t.RetryAfter.Seconds())))
		}
		http.Error(w, `{"error":{"message":"later"}}`, t.Status)
	case !p.lets(r):
		http.Error(w, `{"error":{"message":"no such key"}}`, http.StatusUnauthorized)
	case t.Garbage:
		_, _ = w.Write([]byte("<html>We are working on it</html>")) // a client that has gone needs no answer
	case t.Lost:
		panic(http.ErrAbortHandler)
	case !ok || r.Method != http.MethodGet || carrier != "" && known && carrier != v.carrier:
		http.NotFound(w, r)
	case !known && (p.form == "shippo" || p.form == "karrio" || p.form == "dhl"):
		http.Error(w, `{"detail":"not found"}`, http.StatusNotFound)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(p.write(number, v, known)) // as above
	}
}

// asked is the number that a call is about, and the carrier where it says whose.
func (p *Provider) asked(r *http.Request) (carrier, number string, ok bool) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch p.form {
	case "easypost":
		return "", r.URL.Query().Get("tracking_code"), r.URL.Path == "/v2/trackers"
	case "aftership":
		return "", r.URL.Query().Get("tracking_numbers"), r.URL.Path == "/tracking/2024-07/trackings"
	case "dhl":
		return "", r.URL.Query().Get("trackingNumber"), r.URL.Path == "/track/shipments"
	case "dcsa":
		return "", r.URL.Query().Get("carrierBookingReference"), r.URL.Path == "/v2/events"
	case "karrio":
		return "", parts[len(parts)-1], len(parts) == 3 && strings.HasPrefix(r.URL.Path, "/v1/trackers/")
	}
	if len(parts) != 3 || parts[0] != "tracks" {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// lets reports whether a call carries the token where this provider wants it.
func (p *Provider) lets(r *http.Request) bool {
	switch given := r.Header.Get("Authorization"); p.form {
	case "easypost":
		return given == "Basic "+base64.StdEncoding.EncodeToString([]byte(Token+":"))
	case "aftership":
		return r.Header.Get("as-api-key") == Token
	case "dhl":
		return r.Header.Get("DHL-API-Key") == Token
	case "shippo":
		return given == "ShippoToken "+Token
	case "karrio":
		return given == "Token "+Token
	default:
		return given == "Bearer "+Token
	}
}
