package carrier_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"waybill/activities/carrier"
	"waybill/activities/carrier/carriertest"
	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// forms are the providers, each with a code of its own for a parcel on its way.
var forms = map[string]string{"easypost": "in_transit/arrived_at_facility", "shippo": "TRANSIT/package_departed", "aftership": "InTransit_001", "dhl": "transit", "karrio": "in_transit", "dcsa": "TRANSPORT/DEPA"}

func client(p *carriertest.Provider, token string) *carrier.Client {
	return carrier.New(carrier.Options{Name: "tracking of parcels", API: p.API(), Token: func() (string, error) { return token, nil }})
}

func each(t *testing.T, f func(t *testing.T, form string, p *carriertest.Provider)) {
	for form, code := range forms {
		t.Run(form, func(t *testing.T) {
			p := carriertest.New(form)
			t.Cleanup(p.Close)
			p.Tell("ups", "P1", carriertest.Scan{Code: code, At: noon.Add(-2 * time.Hour)}, carriertest.Scan{Code: code, At: noon.Add(-time.Hour)})
			f(t, form, p)
		})
	}
}

func TestEachProviderIsAskedInItsMannerAndItsConnectorReadsTheAnswer(t *testing.T) {
	partners, err := connectors.Partners()
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, form string, p *carriertest.Provider) {
		body, err := client(p, carriertest.Token).Pull(t.Context(), "UPS", "P1")
		if err != nil {
			t.Fatal(err)
		}
		in, err := connectors.Read(partners[form], store.Delivery{Source: "parcels", Body: body, ReceivedAt: noon})
		if err != nil || len(in) < 2 {
			t.Fatalf("%d scans, %v, of %s", len(in), err, body)
		}
		whose := freight.CarrierCode("UPS")
		if form == "dhl" {
			whose = "DHL" // it tells of its own alone
		}
		for _, i := range in {
			if r := i.References[0]; r.Value != "P1" || r.Kind != p.API().Number || i.Scan.Carrier != whose || i.Scan.Milestone == freight.Unclassified {
				t.Errorf("%+v", i)
			}
		}
	})
}

func TestEachAnswerHasTheClassThatSaysWhatToDo(t *testing.T) {
	each(t, func(t *testing.T, form string, p *carriertest.Provider) {
		ask := func(token, number string) error {
			_, err := client(p, token).Pull(t.Context(), "UPS", number)
			return err
		}
		if err := ask("another", "P1"); protocol.FaultOf(err) != protocol.Configuration || strings.Contains(err.Error(), "another") {
			t.Errorf("a bad token: %v", err)
		}
		if err := ask(carriertest.Token, "P9"); err != nil && protocol.FaultOf(err) != protocol.Rejected {
			t.Errorf("an unknown number: %v", err)
		}
		p.Troubled(func(string) carriertest.Trouble {
			return carriertest.Trouble{Status: http.StatusTooManyRequests, RetryAfter: 10 * time.Hour}
		})
		var app *temporal.ApplicationError
		if err := ask(carriertest.Token, "P1"); protocol.FaultOf(err) != protocol.Throttled || !errors.As(err, &app) || app.NextRetryDelay() != 15*time.Minute {
			t.Errorf("too many calls, with an absurd wish: %v", err)
		}
		p.Troubled(func(string) carriertest.Trouble { return carriertest.Trouble{Garbage: true} })
		if err := ask(carriertest.Token, "P1"); protocol.FaultOf(err) != protocol.Poison {
			t.Errorf("a page for people: %v", err)
		}
		p.Troubled(func(string) carriertest.Trouble { return carriertest.Trouble{Lost: true} })
		if err := ask(carriertest.Token, "P1"); protocol.FaultOf(err) != protocol.Ambiguous {
			t.Errorf("a lost answer: %v", err)
		}
	})
}

func TestCheckNeedsTheTokenAndNoNumber(t *testing.T) {
	each(t, func(t *testing.T, _ string, p *carriertest.Provider) {
		if err := client(p, carriertest.Token).Check(t.Context()); err != nil {
			t.Error(err)
		}
		if err := client(p, "another").Check(t.Context()); protocol.FaultOf(err) != protocol.Configuration {
			t.Errorf("a bad token: %v", err)
		}
	})
}

func TestNumberStaysInItsPlaceInTheURL(t *testing.T) {
	var query, path string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, path = r.URL.RawQuery, r.URL.EscapedPath()
		_, _ = w.Write([]byte("{}"))
	}))
	defer srv.Close()
	api := carrier.API{URL: srv.URL + "/v1/{carrier}/{number}?of={number}", Header: "X-Key: {token}"}
	c := carrier.New(carrier.Options{API: api, Names: map[freight.CarrierCode]string{"UPS": "ups"}, Token: func() (string, error) { return "t", nil }})
	for _, number := range []string{"1Z999", "a&of=x", "a/../../keys", "a?b#c", "ä b%2F", "a+b", "{carrier}"} {
		if _, err := c.Pull(t.Context(), "UPS", number); err != nil {
			t.Errorf("%q: %v", number, err)
		}
		q, err := url.ParseQuery(query)
		got, err2 := url.PathUnescape(strings.TrimPrefix(path, "/v1/ups/"))
		if err != nil || err2 != nil || len(q) != 1 || q.Get("of") != number || got != number || strings.Count(path, "/") != 3 {
			t.Errorf("%q was asked as %s?%s", number, path, query)
		}
	}
	for number, of := range map[string]freight.CarrierCode{"..": "UPS", "1Z999": ""} {
		if _, err := c.Pull(t.Context(), of, number); protocol.FaultOf(err) != protocol.Poison && protocol.FaultOf(err) != protocol.Rejected {
			t.Errorf("%q of %q: %v", number, of, err)
		}
	}
}

func TestAPIThatIsNotKnownSaysWhatToGive(t *testing.T) {
	for _, c := range []struct{ connector, url, header, want string }{
		{"karrio", "", "", "{number}"},
		{"gls@1", "https://api.example.com/track", "", "{number}"},
		{"gls", "https://api.example.com/track/{number}", "X-Key: secret", "no token"},
		{"gls", "https://api.example.com/track/{number}", "", ""},
		{"easypost@1", "", "", ""},
	} {
		_, err := carrier.KnownOr(c.connector, carrier.API{URL: c.url, Header: c.header})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s at %q: %v", c.connector, c.url, err)
		}
	}
}
