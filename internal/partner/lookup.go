package partner

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Lookup finds what a partner holds under an external_ref: the way back to what a lost reply would have told.
type Lookup[T any] struct {
	Path string // of the contract: "/v1/postings"
	List string // the answer's list: "postings"
}

// Find answers with what holds the reference: one, or none.
func (l Lookup[T]) Find(ctx context.Context, c *Client, ref string, s freight.ShipmentID) (found []T, err error) {
	var answer map[string]json.RawMessage
	call := Call{Method: http.MethodGet, Path: l.Path, Query: url.Values{"external_ref": {ref}}, Shipment: s}
	if err := c.Do(ctx, call, &answer); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(answer[l.List], &found); err != nil || len(found) > 1 {
		return nil, protocol.Poison.Of(fmt.Errorf("the %s answered %s for %s with no list of at most one in %q", c.o.Name, call.operation(), ref, l.List))
	}
	return found, nil
}

// Holder answers with what holds the reference; refusal, the reason to look, where nothing does.
func (l Lookup[T]) Holder(ctx context.Context, c *Client, ref string, s freight.ShipmentID, refusal error) (held T, err error) {
	found, err := l.Find(ctx, c, ref, s)
	switch {
	case err != nil:
		return held, err
	case len(found) == 0:
		return held, refusal
	}
	return found[0], nil
}

// Check proves that the partner answers and takes the token. It changes nothing.
func (l Lookup[T]) Check(ctx context.Context, c *Client) error {
	_, err := l.Find(ctx, c, "waybill.check", "")
	return err
}
