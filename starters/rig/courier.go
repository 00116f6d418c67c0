package rig

import (
	"bytes"
	"context"
	"hash/fnv"
	"io"
	"net/http"
	"time"

	"waybill/starters/bridge/webhook"
)

// Clock is how far a sender's clock is off.
type Clock struct{ Off time.Duration }

// Answer is what the bridge answered.
type Answer struct {
	Code       int
	Text       string
	RetryAfter string
}

// Post delivers a body to a bridge, signed by its source under an id. The same id goes to the same bridge.
func (h *House) Post(ctx context.Context, source, id string, body []byte, c Clock) (a Answer, err error) {
	sum := fnv.New32()
	_, _ = sum.Write([]byte(id)) // a hash never fails
	to := h.bridges[int(sum.Sum32())%len(h.bridges)]
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+to+"/v1/events/"+source, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	req.Header.Set("Content-Type", "application/cloudevents+json")
	if err := webhook.Stamp(req.Header, h.Secrets[source], id, time.Now().Add(c.Off), body); err != nil {
		return a, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	return Answer{resp.StatusCode, string(text), resp.Header.Get("Retry-After")}, err
}
