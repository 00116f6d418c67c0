// Package webhook signs and verifies deliveries by Standard Webhooks: HMAC-SHA256 over "id.timestamp.body".
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
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

const (
	// Tolerance is how far a sender's clock may be off, either way: the five minutes of the standard's libraries.
	Tolerance = 5 * time.Minute
	// MaxKeys is how many keys of a source may be live at a time: the one in use, the next, and one to spare.
	MaxKeys = 3
	// signaturesRead bounds how many signatures of one delivery are tried.
	signaturesRead = 8
	// scheme is the identifier of the only signature we check: a symmetric one.
	scheme = "v1,"
)

// The reasons a delivery is refused. They depend on the request alone, never on whether its source exists.
var (
	ErrMissing = errors.New("webhook-id (1 to 200 letters, digits and _ : / + = @ ~ | -), webhook-timestamp (seconds since 1970) and webhook-signature are required, each once")
	ErrStale   = errors.New("webhook-timestamp is more than 5 minutes off: set the sender's clock, and sign again at each attempt")
	ErrForged  = errors.New("no signature matches: sign \"id.timestamp.body\", the body byte for byte as it is sent, with a live secret of this source")
)

var (
	// idForm leaves out the full stop, as the standard asks: with one in the id, "id.timestamp.body" could be cut in two ways.
	idForm        = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_:/+=@~|-]{0,199}$`)
	timestampForm = regexp.MustCompile(`^[1-9][0-9]{0,10}$`)
)

// Key is the secret of a source as bytes, 24 to 64 of them as the standard has it. It is never printed.
type Key struct{ bytes []byte }

// String hides the key, in every form of printing.
func (Key) String() string { return "***" }

// GoString hides the key.
func (Key) GoString() string { return "***" }

// ParseKey reads a secret of the form whsec_<base64>. Its error does not repeat the secret.
func ParseKey(secret string) (Key, error) {
	encoded, ok := strings.CutPrefix(secret, "whsec_")
	b, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(b) < 24 || len(b) > 64 {
		return Key{}, errors.New("webhook secret: want whsec_ and the base64 of 24 to 64 random bytes")
	}
	return Key{b}, nil
}

// Sign is the webhook-signature of a body under a secret of the form whsec_<base64>.
func Sign(secret, id string, at time.Time, body []byte) (string, error) {
	key, err := ParseKey(secret)
	if err != nil {
		return "", err
	}
	return key.sign(id, strconv.FormatInt(at.Unix(), 10), body), nil
}

// Stamp sets the three headers on a request.
func Stamp(h http.Header, secret, id string, at time.Time, body []byte) error {
	key, err := ParseKey(secret)
	if err != nil {
		return err
	}
	StampAll(h, []Key{key}, id, at, body)
	return nil
}

// StampAll sets the three headers on a request, with a signature by each key: a receiver that knows one of them takes it.
func StampAll(h http.Header, keys []Key, id string, at time.Time, body []byte) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	signatures := make([]string, len(keys))
	for i, k := range keys {
		signatures[i] = k.sign(id, timestamp, body)
	}
	h.Set(IDHeader, id)
	h.Set(TimestampHeader, timestamp)
	h.Set(SignatureHeader, strings.Join(signatures, " "))
}

func (k Key) sign(id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, k.bytes)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(body)
	return scheme + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// nobody's key signs in place of those a source does not have.
var nobody = Key{make([]byte, 32)}

// Verify checks a delivery against every live key, of which it reads MaxKeys; which is the place of the one that
// matched. The work is the same for a match, for none, and for any number of keys, so that its time tells nothing.
func Verify(h http.Header, body []byte, now time.Time, keys []Key) (which int, err error) {
	id, timestamp, signatures, ok := headers(h)
	if !ok {
		return 0, ErrMissing
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return 0, ErrMissing
	}
	if off := now.Sub(time.Unix(seconds, 0)); off > Tolerance || off < -Tolerance {
		return 0, ErrStale
	}
	which = -1
	for i := range MaxKeys {
		key, live := nobody, i < len(keys)
		if live {
			key = keys[i]
		}
		if matches(signatures, key.sign(id, timestamp, body)) && live && which < 0 {
			which = i
		}
	}
	if which < 0 {
		return 0, ErrForged
	}
	return which, nil
}

// headers reads the three headers. One that comes twice is none: what stands between us and the sender may have
// read the other.
func headers(h http.Header) (id, timestamp string, signatures []string, ok bool) {
	for _, name := range []string{IDHeader, TimestampHeader, SignatureHeader} {
		if len(h.Values(name)) != 1 {
			return "", "", nil, false
		}
	}
	id, timestamp, signatures = h.Get(IDHeader), h.Get(TimestampHeader), strings.Fields(h.Get(SignatureHeader))
	return id, timestamp, signatures[:min(len(signatures), signaturesRead)], idForm.MatchString(id) && timestampForm.MatchString(timestamp) && len(signatures) > 0
}

func matches(given []string, want string) (ok bool) {
	for _, g := range given {
		if hmac.Equal([]byte(g), []byte(want)) {
			ok = true
		}
	}
	return ok
}
