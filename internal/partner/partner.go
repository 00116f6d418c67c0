// Package partner speaks JSON over HTTP to partners' systems, and is the one place that says what their answers
// mean for a retry.
package partner

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Options say where a partner is.
type Options struct {
	Name    string                 // for messages: "billing engine"
	URL     string                 // without the path
	Token   func() (string, error) // read anew for each call, so that a renewed one holds at once
	Timeout time.Duration          // of one call; 0: 20 s
	// Authorize is the header that carries the token, and its value. nil: Authorization, "Bearer " and the token.
	Authorize func(token string) (header, value string)
	// Observe is told of every call. The operation is the method and the path's template, such as
	// "POST /v1/invoice-drafts/{id}/commit": as many as the contract has, however many calls there are.
	Observe func(operation string, took time.Duration, err error)
}

// Client calls one partner.
type Client struct {
	o    Options
	http *http.Client
}

// New makes a client. It does not call the partner. It follows no redirect: the token would go along.
func New(o Options) *Client {
	o.Timeout = cmp.Or(o.Timeout, 20*time.Second)
	if o.Observe == nil {
		o.Observe = func(string, time.Duration, error) {}
	}
	if o.Authorize == nil {
		o.Authorize = func(token string) (header, value string) { return "Authorization", "Bearer " + token }
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	return &Client{o: o, http: &http.Client{Timeout: o.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Call is one request.
type Call struct {
	Method   string
	Path     string             // as the contract has it: "/v1/invoice-drafts/{id}"
	ID       string             // what {id} stands for; a path that has it is not called without
	Fill     map[string]string  // what other words in braces stand for, in the path or in a query that is part of it
	Query    url.Values         // nil for none
	Search   bool               // whatever form a 404 has, it says that nothing is known of what was asked
	Key      string             // Idempotency-Key, printable ASCII; "" for reads
	Shipment freight.ShipmentID // for the partner's own logs
	Body     any                // nil for none
}

func (c Call) operation() string { return c.Method + " " + c.Path }

// bodyLimit bounds an answer.
const bodyLimit = 8 << 20

// Do makes a call and decodes its answer into out, which may be nil. Errors cross as faults; where the partner
// says why, a *Problem is inside.
func (c *Client) Do(ctx context.Context, call Call, out any) error {
	began := time.Now()
	err := c.do(ctx, call, out)
	c.o.Observe(call.operation(), time.Since(began), err)
	return err
}

func (c *Client) do(ctx context.Context, call Call, out any) error {
	token, err := c.token()
	if err != nil {
		return err
	}
	req, err := c.request(ctx, call, token)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unanswered(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit+1))
	switch {
	case err != nil:
		return c.unanswered(err)
	case len(body) > bodyLimit:
		return protocol.Poison.Of(fmt.Errorf("the %s answered %s with more than %d MiB", c.o.Name, call.operation(), bodyLimit>>20))
	case resp.StatusCode >= http.StatusMultipleChoices:
		_, value := c.o.Authorize(token)
		return c.refused(call, resp, problemOf(resp, body, token, value))
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return protocol.Poison.Of(fmt.Errorf("the %s answered %s with something that cannot be read: %w", c.o.Name, call.operation(), err))
	}
	return nil
}

// token reads the credential. What no header can carry is refused here, where it is not yet part of a message.
func (c *Client) token() (string, error) {
	token, err := c.o.Token()
	switch {
	case err != nil:
		return "", protocol.Configuration.Of(fmt.Errorf("token of the %s: %w", c.o.Name, err))
	case token == "":
		return "", protocol.Configuration.Of(fmt.Errorf("the token of the %s is empty: set it in the configuration", c.o.Name))
	case strings.ContainsFunc(token, unicode.IsControl):
		return "", protocol.Configuration.Of(fmt.Errorf("the token of the %s holds a line break or another control character: set it in the configuration without", c.o.Name))
	}
	return token, nil
}

func (c *Client) request(ctx context.Context, call Call, token string) (*http.Request, error) {
	target, err := c.target(call)
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if call.Body != nil {
		b, err := json.Marshal(call.Body)
		if err != nil {
			return nil, protocol.Poison.Of(fmt.Errorf("encode the call to the %s: %w", c.o.Name, err))
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, target, body)
	if err != nil {
		return nil, protocol.Configuration.Of(fmt.Errorf("the url of the %s cannot be read: correct it in the configuration", c.o.Name)) // err repeats it, with whatever it holds
	}
	req.Header.Set(c.o.Authorize(token))
	req.Header.Set("Accept", "application/json, application/problem+json")
	if call.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if call.Key != "" {
		req.Header.Set("Idempotency-Key", strconv.Quote(call.Key)) // a string of RFC 9651; with it net/http itself repeats a call whose kept-alive connection had died
	}
	if call.Shipment != "" {
		req.Header.Set("X-Waybill-Shipment", string(call.Shipment))
	}
	return req, nil
}

// target fills in the path. An id is the partner's own word, so it is not let out of its place in the path.
func (c *Client) target(call Call) (string, error) {
	path := call.Path
	if strings.Contains(path, "{id}") {
		if call.ID == "" || call.ID == "." || call.ID == ".." {
			return "", protocol.Poison.Of(fmt.Errorf("the %s gave %q as an id", c.o.Name, call.ID))
		}
		path = strings.Replace(path, "{id}", url.PathEscape(call.ID), 1)
	}
	for word, value := range call.Fill {
		if value == "" || value == "." || value == ".." {
			return "", protocol.Poison.Of(fmt.Errorf("%q stands for the %s in %s, which the %s cannot be asked", value, word, call.operation(), c.o.Name))
		}
		path = strings.ReplaceAll(path, "{"+word+"}", strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
	}
	if len(call.Query) > 0 {
		path += "?" + call.Query.Encode()
	}
	return c.o.URL + path, nil
}

// unanswered is for a call without an answer: where no connection came about it was not made; else it may have been
// done.
func (c *Client) unanswered(err error) error {
	var op *net.OpError
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		return protocol.Configuration.Of(fmt.Errorf("the %s cannot be trusted: %w: check its url, and the certificates this machine trusts", c.o.Name, err))
	case errors.As(err, &op) && op.Op == "dial":
		return protocol.Transient.Of(fmt.Errorf("the %s cannot be reached: %w", c.o.Name, err))
	}
	return protocol.Ambiguous.Of(fmt.Errorf("no answer from the %s: %w", c.o.Name, err))
}

// problemOf reads why a call was refused. Where there is no problem document, the status is all there is: it has no
// Code.
func problemOf(resp *http.Response, body []byte, secrets ...string) *Problem {
	p := &Problem{}
	if json.Unmarshal(body, p) != nil {
		p = &Problem{}
	}
	if p.Title == "" && p.Detail == "" {
		p.Title = resp.Status + ", without saying why"
	}
	p.Status = resp.StatusCode
	for _, secret := range secrets {
		p.hide(secret)
	}
	return p
}

// refused gives a refusal the class that says what a retry can do about it.
func (c *Client) refused(call Call, resp *http.Response, p *Problem) error {
	err := fmt.Errorf("the %s says: %w", c.o.Name, p)
	after := RetryAfter(resp.Header.Get("Retry-After"), time.Now())
	switch code := resp.StatusCode; {
	case code < http.StatusBadRequest:
		return protocol.Configuration.Of(fmt.Errorf("%w: %s was to be sent elsewhere, which is not done since the token would go along: correct its url in the configuration", err, call.operation()))
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		return protocol.Throttled.After(err, after)
	case code == http.StatusUnauthorized:
		return protocol.Configuration.Of(fmt.Errorf("%w: it does not take the token for the %s: renew it in the configuration", err, c.o.Name))
	case code == http.StatusForbidden:
		return protocol.Configuration.Of(fmt.Errorf("%w: the token for the %s may not %s: give it the right there", err, c.o.Name, call.operation()))
	case call.Search && code == http.StatusNotFound:
		return protocol.Rejected.Of(err)
	case p.Code == "" && (code == http.StatusNotFound || code == http.StatusMethodNotAllowed):
		return protocol.Configuration.Of(fmt.Errorf("%w: it has no %s: correct its url in the configuration", err, call.operation()))
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code >= http.StatusInternalServerError, p.Retryable:
		return protocol.Transient.After(err, after)
	}
	return protocol.Rejected.Of(err)
}

// longestWait bounds what RetryAfter answers, so that no number of seconds overflows; a fault's own limit is far lower.
const longestWait = 24 * time.Hour

// RetryAfter reads seconds or an HTTP date, at most a day; 0 for neither, and for a date that has passed.
func RetryAfter(h string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(h, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) { // out of range, n is the largest there is
		return time.Duration(min(n, uint64(longestWait/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(h); err == nil {
		return min(max(t.Sub(now), 0), longestWait)
	}
	return 0
}
