// Package odoo speaks to Odoo 19 through its external API: the claim, the status, the invoice exactly once, and
// what the worker scans for. It needs no addon; Setup makes the fields.
package odoo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"waybill/internal/partner"
	"waybill/workflows/freight"
)

// Caller calls a method of an Odoo model. It is the seam for another transport.
type Caller interface {
	Call(ctx context.Context, model, method string, args []any, kw map[string]any) (any, error)
}

// Options say where Odoo is and who we are there.
type Options struct {
	URL      string // without a path
	DB       string
	Login    string
	Password func() (string, error) // password or API key; read anew when Odoo refuses it
	MaxConns int                    // at a time; 0: 8, half of what two cores of Odoo serve well
	Timeout  time.Duration          // of one call; 0: 100 s, under Odoo's own limit of 120 s
	Observe  func(model, method string, took time.Duration, err error)
}

// Client calls Odoo by XML-RPC. It uses the codec of kolo/xmlrpc and its own HTTP client, whose calls end with
// their context and do not queue behind one another.
type Client struct {
	o    Options
	http *http.Client

	signing chan struct{} // holds the one who signs in; the others wait, each as long as his context

	mu      sync.Mutex
	uid     int64
	refused refusal
}

// refusal is the last time Odoo did not let us in.
type refusal struct {
	password string
	at       time.Time
	err      error
}

// refusedFor is how long a password that was refused is not tried again. Odoo locks out who tries often, and
// every call of every shipment would try.
const refusedFor = time.Minute

var _ Caller = (*Client)(nil)

// bodyLimit bounds an answer; a page of a thousand records is under 1 MiB.
const bodyLimit = 32 << 20

// errTooLarge means that we asked for more than we are ready to hold.
var errTooLarge = fmt.Errorf("the answer is larger than %d MiB: ask for fewer records", bodyLimit>>20)

// New makes a client. It does not call Odoo.
func New(o Options) *Client {
	if o.MaxConns == 0 {
		o.MaxConns = 8
	}
	if o.Timeout == 0 {
		o.Timeout = 100 * time.Second
	}
	if o.Observe == nil {
		o.Observe = func(string, string, time.Duration, error) {}
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	return &Client{o: o, signing: make(chan struct{}, 1), http: &http.Client{Timeout: o.Timeout, CheckRedirect: stay,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxConnsPerHost: o.MaxConns, MaxIdleConnsPerHost: o.MaxConns}}}
}

// stay follows no redirect: the call, with the password in it, would go to whoever is named there.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

type shipmentKey struct{}

// For marks the calls made under the context as one shipment's, so that they can be counted on the wire.
func For(ctx context.Context, id freight.ShipmentID) context.Context {
	return context.WithValue(ctx, shipmentKey{}, id)
}

// ShipmentHeader names the shipment a call is made for.
const ShipmentHeader = "X-Waybill-Shipment"

// Call runs a method: args are positional, kw named. Its errors are classified by FaultOf.
func (c *Client) Call(ctx context.Context, model, method string, args []any, kw map[string]any) (any, error) {
	began := time.Now()
	out, err := c.call(ctx, model, method, args, kw)
	c.o.Observe(model, method, time.Since(began), err)
	if err != nil {
		return nil, fmt.Errorf("odoo: %s.%s: %w", model, method, err)
	}
	return out, nil
}

func (c *Client) call(ctx context.Context, model, method string, args []any, kw map[string]any) (any, error) {
	uid, password, err := c.identity(ctx)
	if err != nil {
		return nil, err
	}
	if kw == nil {
		kw = map[string]any{}
	}
	out, err := c.rpc(ctx, "object", "execute_kw", []any{c.o.DB, uid, password, model, method, args, kw})
	if denied(err) { // the password was changed since we signed in
		err = c.refuse(password)
	}
	return out, err
}

// SignIn proves that Odoo lets the user in. Its errors are told apart by Refused.
func (c *Client) SignIn(ctx context.Context) error {
	if _, _, err := c.identity(ctx); err != nil {
		return fmt.Errorf("odoo: sign in: %w", err)
	}
	return nil
}

// Refused reports whether an error means that Odoo does not let the user in.
func Refused(err error) bool { return errors.Is(err, errLogin) }

// errLogin means that Odoo does not know the login or its password.
var errLogin = errors.New("login or password is wrong")

func (c *Client) identity(ctx context.Context) (int64, string, error) {
	password, err := c.o.Password()
	if err != nil {
		return 0, "", fmt.Errorf("%w: %w", errLogin, err)
	}
	if uid, err := c.known(password); uid != 0 || err != nil {
		return uid, password, err
	}
	select { // who come together sign in once
	case c.signing <- struct{}{}:
		defer func() { <-c.signing }()
	case <-ctx.Done():
		return 0, "", context.Cause(ctx)
	}
	if uid, err := c.known(password); uid != 0 || err != nil {
		return uid, password, err
	}
	out, err := c.rpc(For(ctx, ""), "common", "authenticate", []any{c.o.DB, c.o.Login, password, map[string]any{}})
	if err != nil {
		return 0, "", err
	}
	uid, ok := out.(int64)
	if !ok || uid == 0 {
		return 0, "", c.refuse(password)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uid = uid
	return uid, password, nil
}

// known is our user's id, or why Odoo does not let us in with this password; neither before the first call.
func (c *Client) known(password string) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.uid == 0 && c.refused.password == password && time.Since(c.refused.at) < refusedFor {
		return 0, c.refused.err
	}
	return c.uid, nil
}

// refuse notes that a password does not let us in any more.
func (c *Client) refuse(password string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uid = 0
	c.refused = refusal{password, time.Now(), fmt.Errorf("%w for %q in database %q", errLogin, c.o.Login, c.o.DB)}
	return c.refused.err
}

func (c *Client) rpc(ctx context.Context, service, method string, params []any) (any, error) {
	req, err := encode(c.o.URL+"/xmlrpc/2/"+service, method, params)
	if err != nil {
		return nil, &encodeError{err}
	}
	if id, ok := ctx.Value(shipmentKey{}).(freight.ShipmentID); ok && id != "" {
		req.Header.Set(ShipmentHeader, string(id))
	}
	resp, err := c.http.Do(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, &statusError{resp.StatusCode, partner.RetryAfter(resp.Header.Get("Retry-After"), time.Now()), resp.Header.Get("Location")}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit+1))
	if err != nil {
		return nil, err
	}
	if len(body) > bodyLimit {
		return nil, errTooLarge
	}
	return decode(body)
}

type encodeError struct{ err error }

func (e *encodeError) Error() string { return "the call cannot be encoded: " + e.err.Error() }

type statusError struct {
	code     int
	after    time.Duration
	location string // where a redirect leads
}

func (e *statusError) Error() string {
	if e.location != "" {
		return fmt.Sprintf("HTTP %d to %s: configure that as Odoo's URL", e.code, e.location)
	}
	return "HTTP " + strconv.Itoa(e.code)
}
