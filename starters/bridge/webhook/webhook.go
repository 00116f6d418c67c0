// Package webhook signs and verifies deliveries by Standard Webhooks: HMAC-SHA256 over "id.timestamp.body".
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The header names.
const (
	IDHeader        = "webhook-id"
	TimestampHeader = "webhook-timestamp"
	SignatureHeader = "webhook-signature"
)

// Tolerance is how far a sender's clock may be off, either way: the five minutes of the standard's libraries.
const Tolerance = 5 * time.Minute

// signaturesRead bounds how many signatures of one delivery are tried.
const signaturesRead = 8

// The reasons a delivery is refused.
var (
	ErrMissing = errors.New("webhook-id, webhook-timestamp and webhook-signature are required")
	ErrStale   = errors.New("webhook-timestamp is more than 5 minutes off: set the sender's clock and sign again")
	ErrForged  = errors.New("no signature matches: sign \"id.timestamp.body\" with a live secret of this source")
)

// Sign is the webhook-signature of a body under a secret of the form whsec_<base64>.
func Sign(secret, id string, at time.Time, body []byte) (string, error) {
	mac, err := sum(secret, id, strconv.FormatInt(at.Unix(), 10), body)
	if err != nil {
		return "", err
	}
	return "v1," + base64.StdEncoding.EncodeToString(mac), nil
}

// Stamp sets the three headers on a request.
func Stamp(h http.Header, secret, id string, at time.Time, body []byte) error {
	signature, err := Sign(secret, id, at, body)
	if err != nil {
		return err
	}
	h.Set(IDHeader, id)
	h.Set(TimestampHeader, strconv.FormatInt(at.Unix(), 10))
	h.Set(SignatureHeader, signature)
	return nil
}

func sum(secret, id, timestamp string, body []byte) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) == 0 {
		return nil, errors.New("webhook secret: want whsec_ and base64")
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(body)
	return mac.Sum(nil), nil
}

// Verify checks a delivery against every live secret; with names the one that matched by its place. Comparison
// takes the same time for every signature of a length.
func Verify(h http.Header, body []byte, now time.Time, secrets []string) (which int, err error) {
	id, timestamp, signatures := h.Get(IDHeader), h.Get(TimestampHeader), h.Get(SignatureHeader)
	if id == "" || timestamp == "" || signatures == "" || len(id) > 200 {
		return 0, ErrMissing
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return 0, ErrMissing
	}
	if off := now.Sub(time.Unix(seconds, 0)); off > Tolerance || off < -Tolerance {
		return 0, ErrStale
	}
	given := strings.Fields(signatures)
	for i, secret := range secrets {
		want, err := sum(secret, id, timestamp, body)
		if err == nil && matches(given[:min(len(given), signaturesRead)], want) {
			return i, nil
		}
	}
	return 0, ErrForged
}

func matches(given []string, want []byte) (ok bool) {
	for _, g := range given {
		encoded, v1 := strings.CutPrefix(g, "v1,")
		mac, err := base64.StdEncoding.DecodeString(encoded)
		if v1 && err == nil && hmac.Equal(mac, want) {
			ok = true
		}
	}
	return ok
}
