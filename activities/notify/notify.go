// Package notify tells subscribers what has happened to shipments: as CloudEvents, signed by Standard Webhooks. A
// subscriber is told at least once, under an id that stays the same.
package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"waybill/starters/bridge/webhook"
	"waybill/workflows/freight"
)

// Subscriber is where a subscriber is, and how it knows us.
type Subscriber struct {
	Name    string
	URL     string
	Keys    func() ([]webhook.Key, error) // those live now, asked for anew with each event; each signs
	Timeout time.Duration                 // of one try; 0: 15 s, as the standard has it
	Private bool                          // it may be reached in the clear and at addresses that are not public
	// Observe is told of every try.
	Observe func(took time.Duration, err error)
}

// Client tells one subscriber.
type Client struct {
	s    Subscriber
	http *http.Client
}

// New makes a client. It calls nobody.
func New(s Subscriber) *Client {
	if s.Timeout == 0 {
		s.Timeout = defaultTimeout
	}
	if s.Observe == nil {
		s.Observe = func(time.Duration, error) {}
	}
	return &Client{s: s, http: &http.Client{
		Timeout: s.Timeout, Transport: transport(s.Private),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the event was signed for this address
	}}
}

// defaultTimeout is at the lower end of the 15 to 30 seconds of the standard.
const defaultTimeout = 15 * time.Second

// Tell sends an event. The body goes byte for byte; id is the same at each try, and what a subscriber knows a repeat
// by. Errors cross as faults, and Gone tells the one after which it wants nothing any more.
func (c *Client) Tell(ctx context.Context, id string, body []byte) error {
	began := time.Now()
	err := c.tell(ctx, id, body, began)
	c.s.Observe(time.Since(began), err)
	return err
}

func (c *Client) tell(ctx context.Context, id string, body []byte, now time.Time) error {
	keys, err := c.s.Keys()
	if len(keys) == 0 {
		return c.unsigned(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.s.URL, bytes.NewReader(body))
	if err != nil {
		return c.unreadable()
	}
	req.Header.Set("Content-Type", ContentType)
	req.Header.Set("User-Agent", "waybill")
	webhook.StampAll(req.Header, keys, id, now, body)
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unanswered(err)
	}
	defer func() { _ = resp.Body.Close() }()           // nothing in it is needed
	_, _ = io.CopyN(io.Discard, resp.Body, answerRead) // so that the connection can be used again; what is wrong shows at its next use
	return c.refused(resp, now)
}

// answerRead bounds what is read of an answer, of which only the status counts.
const answerRead = 64 << 10

// ContentType is that of a CloudEvent in structured mode.
const ContentType = "application/cloudevents+json"

// Type is the type of an event on the wire: "com.waybill.shipment.invoice_posted.v1". A milestone has the type under
// which partners report it to us, and data of its own form: see DataSchema.
func Type(k freight.EventKind) string { return "com.waybill.shipment." + string(k) + ".v1" }

// DataSchema names the schema of an event's data. It stays as it is for as long as the type does; the bridge serves it
// with that of the whole event, of which it is the anchor, as /v1/schemas/told/TYPE.json.
func DataSchema(k freight.EventKind) string { return "urn:waybill:schema:told/" + Type(k) + "#data" }

// Renderer writes the events of a tenant down as CloudEvents 1.0 in structured mode.
func Renderer(tenant freight.TenantCode) func(e freight.Event, n int64) ([]byte, error) {
	return func(e freight.Event, n int64) ([]byte, error) {
		c := cloudevents.New(cloudevents.CloudEventsVersionV1)
		c.SetID(e.ID())
		c.SetSource("urn:waybill:" + string(tenant))
		c.SetType(Type(e.Kind))
		c.SetDataSchema(DataSchema(e.Kind))
		c.SetSubject("shipment/" + string(e.Shipment))
		c.SetTime(e.At)
		c.SetExtension("sequence", fmt.Sprintf("%010d", n)) // sorts as text
		c.SetExtension("partitionkey", string(e.Shipment))
		if err := c.SetData(cloudevents.ApplicationJSON, e); err != nil {
			return nil, fmt.Errorf("event %s: %w", e.ID(), err)
		}
		if err := c.Validate(); err != nil {
			return nil, fmt.Errorf("event %s: %w", e.ID(), err)
		}
		return json.Marshal(c)
	}
}
