// Package carrier asks carriers and tracking platforms where a shipment is, for those times when they do not say so by
// themselves. What they answer is the whole history, in the words of their webhooks: whoever reads these reads it too.
package carrier

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"waybill/internal/partner"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// API is how a tracking API is asked. It is data: a partner with the same manner needs no code.
type API struct {
	URL    string                // with {number}, and {carrier} where it wants to know whose; "": each customer has its own
	Header string                // with the token: "Authorization: Bearer {token}"; {basic} is the token as a user without password
	Number freight.ReferenceKind // the number it is asked by
}

// Known are the APIs whose answers are in the form of their webhooks and tell the whole history, by connector.
func Known() map[string]API {
	return map[string]API{
		"easypost":  {"https://api.easypost.com/v2/trackers?tracking_code={number}", "Authorization: Basic {basic}", freight.RefTracking},
		"shippo":    {"https://api.goshippo.com/tracks/{carrier}/{number}", "Authorization: ShippoToken {token}", freight.RefTracking},
		"aftership": {"https://api.aftership.com/tracking/2024-07/trackings?tracking_numbers={number}", "as-api-key: {token}", freight.RefTracking},
		"dhl":       {"https://api-eu.dhl.com/track/shipments?trackingNumber={number}", "DHL-API-Key: {token}", freight.RefTracking},
		"karrio":    {"", "Authorization: Token {token}", freight.RefTracking}, // https://HOST/v1/trackers/{number}
		"dcsa":      {"", "Authorization: Bearer {token}", freight.RefPRO},     // https://HOST/v2/events?carrierBookingReference={number}
	}
}

// KnownOr is the API of a connector, with what the given one says otherwise. An error says what neither does.
func KnownOr(connector string, a API) (API, error) {
	name, _, _ := strings.Cut(connector, "@")
	k := Known()[name]
	a = API{cmp.Or(a.URL, k.URL), cmp.Or(a.Header, k.Header, "Authorization: Bearer {token}"), cmp.Or(a.Number, k.Number, freight.RefTracking)}
	u, err := url.Parse(a.URL)
	if err != nil || u.Host == "" || !strings.Contains(a.URL, "{number}") {
		return a, fmt.Errorf("the connector %q knows no tracking API: give its url, with {number} where the number goes", connector)
	}
	if name, value, ok := strings.Cut(a.Header, ": "); !ok || name == "" || !strings.Contains(value, "{token}") && !strings.Contains(value, "{basic}") {
		return a, fmt.Errorf("the header %q carries no token: want one such as \"Authorization: Bearer {token}\"", a.Header)
	}
	return a, nil
}

// Options are what a client is made of.
type Options struct {
	Name    string // for messages: "tracking of parcels"
	API     API
	Names   map[freight.CarrierCode]string // of carriers at the provider; one that is not in it has its code in lower case
	Token   func() (string, error)         // read anew for each call
	Timeout time.Duration                  // of one call; 0: 20 s
	Observe func(operation string, took time.Duration, err error)
}

// Client asks one provider.
type Client struct {
	o    Options
	path string // with what it is to be filled with
	http *partner.Client
}

// New makes a client. It calls nobody.
func New(o Options) *Client {
	scheme, rest, _ := strings.Cut(o.API.URL, "://")
	host, path, _ := strings.Cut(rest, "/")
	name, value, _ := strings.Cut(o.API.Header, ": ")
	return &Client{o: o, path: "/" + path, http: partner.New(partner.Options{
		Name: o.Name, URL: scheme + "://" + host, Token: o.Token, Timeout: o.Timeout, Observe: o.Observe,
		Authorize: func(token string) (string, string) {
			basic := base64.StdEncoding.EncodeToString([]byte(token + ":"))
			return name, strings.NewReplacer("{token}", token, "{basic}", basic).Replace(value)
		},
	})}
}

// Pull asks for all that is known of a number, and returns the answer byte for byte. An answer that is no JSON, as a page
// of maintenance, is an error. Errors cross as faults: Rejected for a number that the provider does not know.
func (c *Client) Pull(ctx context.Context, carrier freight.CarrierCode, number string) ([]byte, error) {
	name, ok := c.o.Names[carrier]
	if !ok {
		name = strings.ToLower(string(carrier))
	}
	fill := map[string]string{"number": number}
	if strings.Contains(c.path, "{carrier}") {
		if fill["carrier"] = name; name == "" {
			return nil, protocol.Rejected.Of(fmt.Errorf("the %s wants to know whose the number is, and nobody has said: register it with its carrier", c.o.Name))
		}
	}
	var body json.RawMessage
	err := c.http.Do(ctx, partner.Call{Method: http.MethodGet, Path: c.path, Fill: fill, Search: true}, &body)
	return body, err
}

// probed is a number nobody has.
const probed = "WAYBILL0PROBE"

// Check asks about a number nobody has: nil if the provider is up and takes the token.
func (c *Client) Check(ctx context.Context) error {
	_, err := c.Pull(ctx, "probe", probed)
	if protocol.FaultOf(err) == protocol.Rejected && err != nil {
		return nil
	}
	return err
}

// Advice says what may have silenced a partner of a connector, and what to do: each has its own way to give up on a
// webhook.
func Advice(connector string) string {
	name, _, _ := strings.Cut(connector, "@")
	known := map[string]string{
		"easypost":  "EasyPost disables a webhook that keeps failing: see disabled_at in GET /v2/webhooks, turn it on again with PATCH /v2/webhooks/ID",
		"karrio":    "Karrio disables a webhook after 5 failures in a row and repeats nothing: see disabled in GET /v1/webhooks, and turn it on again",
		"dhl":       "DHL deactivates a webhook after 10,000 failures in a row: see its state in the developer portal",
		"ups":       "a subscription of UPS Track Alert ends after 14 days: subscribe the numbers anew",
		"aftership": "AfterShip gives up on a delivery after 14 tries in 68 hours: see webhooks in its admin, and send again from there",
		"shippo":    "Shippo tries a delivery three times and no more: see that the webhook is there and active in its settings",
	}
	return cmp.Or(known[name], "ask it whether its webhook still points here and is on")
}
