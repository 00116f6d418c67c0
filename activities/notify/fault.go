package notify

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"waybill/internal/partner"
	"waybill/workflows/protocol"
)

// errGone is the answer of a subscriber that wants nothing any more.
var errGone = errors.New("it answered 410 Gone: it wants no more events")

// Gone reports whether a subscriber said that it wants nothing any more.
func Gone(err error) bool { return errors.Is(err, errGone) }

// unsigned is for an event that no key could sign.
func (c *Client) unsigned(err error) error {
	return protocol.Configuration.Of(fmt.Errorf("subscriber %s has no secret that can be read: %w", c.s.Name, cmp.Or(err, errors.New("none is configured"))))
}

func (c *Client) unreadable() error {
	return protocol.Configuration.Of(fmt.Errorf("the url of subscriber %s cannot be read: correct it in the configuration", c.s.Name)) // it may hold a token, so it is not shown
}

// unanswered is for a try without an answer: where no connection came about nothing was told; else it may have been.
func (c *Client) unanswered(err error) error {
	var op *net.OpError
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errPrivate):
		return protocol.Configuration.Of(fmt.Errorf("subscriber %s: %w: set allow_private if that is meant", c.s.Name, errPrivate))
	case errors.As(err, &untrusted):
		return protocol.Configuration.Of(fmt.Errorf("subscriber %s cannot be trusted: %w", c.s.Name, untrusted))
	case errors.As(err, &op) && op.Op == "dial":
		return protocol.Transient.Of(fmt.Errorf("subscriber %s cannot be reached: %w", c.s.Name, op))
	}
	return protocol.Ambiguous.Of(fmt.Errorf("no answer from subscriber %s", c.s.Name)) // err repeats the url, with whatever token it holds
}

// refused gives an answer the class that says what a repeat can do about it; nil for a 2xx.
func (c *Client) refused(resp *http.Response, now time.Time) error {
	code := resp.StatusCode
	err := fmt.Errorf("subscriber %s answered %s", c.s.Name, resp.Status)
	after := partner.RetryAfter(resp.Header.Get("Retry-After"), now)
	switch {
	case code >= http.StatusOK && code < http.StatusMultipleChoices:
		return nil
	case code == http.StatusGone:
		return protocol.Rejected.Of(fmt.Errorf("subscriber %s: %w", c.s.Name, errGone))
	case code == http.StatusTooManyRequests, code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		return protocol.Throttled.After(err, max(after, throttledFor))
	case code < http.StatusBadRequest:
		return protocol.Configuration.Of(fmt.Errorf("%w, which sends the event elsewhere: correct its url in the configuration", err))
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound, code == http.StatusMethodNotAllowed:
		return protocol.Configuration.Of(fmt.Errorf("%w: see that its url is right, and that it knows one of our secrets", err))
	case code >= http.StatusInternalServerError, code == http.StatusRequestTimeout, code == http.StatusTooEarly:
		return protocol.Transient.After(err, after)
	}
	return protocol.Rejected.Of(err)
}

// throttledFor is how long a subscriber is left alone that is overloaded and does not say for how long.
const throttledFor = 5 * time.Second
