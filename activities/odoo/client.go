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

	"github.com/kolo/xmlrpc"

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
	return &Client{o: o, http: &http.Client{Timeout: o.Timeout, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxConnsPerHost: o.MaxConns, MaxIdleConnsPerHost: o.MaxConns}}}
}

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

// SignIn proves that Odoo lets the user in. Its errors are classified by FaultOf, and told apart by Refused.
func (c *Client) SignIn(ctx context.Context) error {
	_, _, err := c.identity(ctx)
	if err != nil {
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
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.uid != 0 {
		return c.uid, password, nil
	}
	if c.refused.password == password && time.Since(c.refused.at) < refusedFor {
		return 0, "", c.refused.err
	}
	out, err := c.rpc(For(ctx, ""), "common", "authenticate", []any{c.o.DB, c.o.Login, password, map[string]any{}})
	if err != nil {
		return 0, "", err
	}
	uid, ok := out.(int64)
	if !ok || uid == 0 {
		return 0, "", c.refuseLocked(password)
	}
	c.uid = uid
	return uid, password, nil
}

// refuse notes that a password does not let us in any more.
func (c *Client) refuse(password string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refuseLocked(password)
}

func (c *Client) refuseLocked(password string) error {
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
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &statusError{resp.StatusCode, retryAfter(resp.Header.Get("Retry-After"))}
	}
	if err := xmlrpc.Response(body).Err(); err != nil {
		return nil, err
	}
	var out any
	if err := xmlrpc.Response(body).Unmarshal(&out); err != nil {
		return nil, fmt.Errorf("%w: %w", errGarbled, err)
	}
	return out, nil
}

// errGarbled means that the answer is no XML-RPC.
var errGarbled = errors.New("the answer cannot be read")

type encodeError struct{ err error }

func (e *encodeError) Error() string { return "the call cannot be encoded: " + e.err.Error() }

type statusError struct {
	code  int
	after time.Duration
}

func (e *statusError) Error() string { return "HTTP " + strconv.Itoa(e.code) }

func retryAfter(h string) time.Duration {
	if n, err := strconv.Atoi(h); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(h); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}

// encode builds the request from plain values only: the codec panics on some structs.
func encode(url, method string, params []any) (req *http.Request, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	clean := make([]any, len(params))
	for i, p := range params {
		if clean[i], err = plain(p); err != nil {
			return nil, err
		}
	}
	return xmlrpc.NewRequest(url, method, clean)
}

// plain turns a value into what the codec writes faithfully: no nil, no struct, no control characters.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case bool, int, int64, float64:
		return v, nil
	case string:
		return strings.Map(printable, v), nil
	case nil:
		return false, nil
	case []any:
		return plainList(v)
	case []string:
		return plainSlice(v)
	case []int64:
		return plainSlice(v)
	case [][]any:
		return plainSlice(v)
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, x := range v {
			p, err := plain(x)
			if err != nil {
				return nil, err
			}
			m[k] = p
		}
		return m, nil
	}
	return nil, fmt.Errorf("a %T cannot be sent", v)
}

func printable(r rune) rune {
	if r < ' ' && r != '\n' && r != '\t' {
		return -1
	}
	return r
}

func plainList(v []any) (any, error) {
	out := make([]any, len(v))
	for i := range v {
		p, err := plain(v[i])
		if err != nil {
			return nil, err
		}
		out[i] = p
	}
	return out, nil
}

func plainSlice[T any](v []T) (any, error) {
	out := make([]any, len(v))
	for i := range v {
		out[i] = v[i]
	}
	return plainList(out)
}
