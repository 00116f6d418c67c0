// Package partner speaks JSON over HTTP to partners' systems, and is the one place that says what their answers
// mean for a retry.
package partner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Options say where a partner is.
type Options struct {
	Name    string // for messages: "billing engine"
	URL     string // without the path
	Token   func() (string, error)
	Timeout time.Duration // of one call; 0: 20 s
	Observe func(operation string, took time.Duration, err error)
}

// Client calls one partner.
type Client struct {
	o    Options
	http *http.Client
}

// New makes a client. It does not call the partner.
func New(o Options) *Client {
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	if o.Observe == nil {
		o.Observe = func(string, time.Duration, error) {}
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	return &Client{o: o, http: &http.Client{Timeout: o.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Call is one request.
type Call struct {
	Method, Path string
	Key          string             // Idempotency-Key; "" for reads
	Shipment     freight.ShipmentID // for the partner's own logs
	Body         any
}

// Problem is an RFC 9457 problem document.
type Problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Code     string `json:"code"`
	Existing string `json:"existing,omitzero"` // with a conflict: the id that holds the reference
}

func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// bodyLimit bounds an answer.
const bodyLimit = 8 << 20

// Do makes a call and decodes its answer into out, which may be nil. Errors cross as faults; where the partner
// says why, a *Problem is inside.
func (c *Client) Do(ctx context.Context, call Call, out any) error {
	began := time.Now()
	err := c.do(ctx, call, out)
	c.o.Observe(call.Method+" "+call.Path, time.Since(began), err)
	return err
}

func (c *Client) do(ctx context.Context, call Call, out any) error {
	req, err := c.request(ctx, call)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unanswered(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit))
	if err != nil {
		return c.unanswered(err)
	}
	if resp.StatusCode >= 300 {
		return c.refused(resp, body)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return protocol.Poison.Of(fmt.Errorf("the %s answered %s with something that cannot be read: %w", c.o.Name, resp.Status, err))
	}
	return nil
}

func (c *Client) request(ctx context.Context, call Call) (*http.Request, error) {
	var body io.Reader
	if call.Body != nil {
		b, err := json.Marshal(call.Body)
		if err != nil {
			return nil, protocol.Poison.Of(fmt.Errorf("encode the call to the %s: %w", c.o.Name, err))
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, c.o.URL+call.Path, body)
	if err != nil {
		return nil, protocol.Poison.Of(fmt.Errorf("the %s: %w", c.o.Name, err))
	}
	token, err := c.o.Token()
	if err != nil {
		return nil, protocol.Configuration.Of(fmt.Errorf("token of the %s: %w", c.o.Name, err))
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json, application/problem+json")
	if call.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if call.Key != "" {
		req.Header.Set("Idempotency-Key", strconv.Quote(call.Key)) // a string of RFC 9651
	}
	if call.Shipment != "" {
		req.Header.Set("X-Waybill-Shipment", string(call.Shipment))
	}
	return req, nil
}

// unanswered is for a call without an answer: refused, it was not made; else it may have been done.
func (c *Client) unanswered(err error) error {
	var lookup *net.DNSError
	if errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &lookup) {
		return protocol.Transient.Of(fmt.Errorf("the %s cannot be reached: %w", c.o.Name, err))
	}
	return protocol.Ambiguous.Of(fmt.Errorf("no answer from the %s: %w", c.o.Name, err))
}

func (c *Client) refused(resp *http.Response, body []byte) error {
	p := &Problem{}
	if json.Unmarshal(body, p) != nil || p.Title == "" && p.Detail == "" {
		p = &Problem{Title: resp.Status}
	}
	p.Status = resp.StatusCode
	err := fmt.Errorf("the %s says: %w", c.o.Name, p)
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		return protocol.Throttled.After(err, RetryAfter(resp.Header.Get("Retry-After"), time.Now()))
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code >= 500, code == http.StatusConflict && p.Code == "in_progress":
		return protocol.Transient.Of(err)
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return protocol.Configuration.Of(fmt.Errorf("%w: check its token", err))
	}
	return protocol.Rejected.Of(err)
}

// RetryAfter reads seconds or an HTTP date; 0 for neither.
func RetryAfter(h string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(h); err == nil && n >= 0 {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(h); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}

// ProblemOf is the partner's own words inside an error; nil where there are none.
func ProblemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return nil
}
