package authn

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// Request is what a delivery is judged by.
type Request struct {
	Header http.Header
	Query  url.Values
	From   netip.Addr // who sent it, after the proxies that are ours
	Body   []byte     // byte for byte as it came
}

// Proof is how a delivery was found authentic.
type Proof struct {
	Scheme   Scheme
	Secret   int      // place of the secret that matched, from 1; 0 where the profile has none
	Encoding Encoding // of the signature; "" where there is none
}

// String is what the inbox keeps of a proof: "hmac secret 2 (base64)".
func (p Proof) String() string {
	s := string(p.Scheme)
	if p.Secret > 0 {
		s += " secret " + strconv.Itoa(p.Secret)
	}
	if p.Encoding != "" {
		s += " (" + string(p.Encoding) + ")"
	}
	return s
}

// The reasons a delivery is refused. None tells whether a secret was near.
var (
	ErrMissing   = errors.New("the delivery carries no proof, or more than one, where its profile has it")
	ErrStale     = errors.New("the time of signing is too far off: set the sender's clock, and sign again at each attempt")
	ErrForged    = errors.New("the proof does not match: use a live secret of this source, over the body byte for byte as it is sent")
	ErrElsewhere = errors.New("the delivery comes from an address that is not its sender's")
)

const (
	// maxSecrets is how many may be live at a time: the one in use, the next, and some to spare.
	maxSecrets = 8
	// maxSignatures bounds how many signatures of one delivery are tried.
	maxSignatures = 8
	// maxHeader bounds what is read of a header that holds a proof.
	maxHeader = 4096
)

// Verifier judges deliveries by one profile. It holds no secret and can be used by many at a time.
type Verifier struct {
	p     Profile
	shown Scheme
	parts []part
	allow []netip.Prefix
}

// New makes a verifier of a profile that Check accepts.
func New(p Profile) (*Verifier, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	v := &Verifier{p: p.settled(), shown: p.Scheme}
	v.parts = v.p.parts()
	allow, err := v.p.prefixes()
	v.allow = allow
	return v, err
}

// Verify says with which of the live secrets a delivery is proved, or why it is not. The work is the same for every
// secret, whether one matched before or not.
func (v *Verifier) Verify(r Request, now time.Time, secrets []string) (Proof, error) {
	if !v.allows(r.From) {
		return Proof{}, ErrElsewhere
	}
	secrets = secrets[:min(len(secrets), maxSecrets)]
	switch v.p.Scheme {
	case AddressOnly:
		return Proof{Scheme: v.shown}, nil
	case HMAC:
		return v.verifySignature(r, now, secrets)
	}
	given, err := v.presented(r)
	if err != nil {
		return Proof{}, err
	}
	return v.compare(given, secrets)
}

func (v *Verifier) allows(from netip.Addr) bool {
	if len(v.allow) == 0 {
		return true
	}
	for _, p := range v.allow {
		if p.Contains(from.Unmap()) {
			return true
		}
	}
	return false
}

// presented is the secret that a delivery shows.
func (v *Verifier) presented(r Request) (string, error) {
	values := r.Header.Values(v.p.Header)
	if v.p.Query != "" {
		values = r.Query[v.p.Query]
	}
	if len(values) != 1 || values[0] == "" || len(values[0]) > maxHeader {
		return "", ErrMissing
	}
	value := values[0]
	if len(value) < len(v.p.Prefix) || !strings.EqualFold(value[:len(v.p.Prefix)], v.p.Prefix) {
		return "", ErrMissing
	}
	value = value[len(v.p.Prefix):]
	if v.p.Scheme != Basic {
		return value, nil
	}
	decoded, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return "", ErrMissing
	}
	return string(decoded), nil
}

// compare hashes both sides, so that neither length nor content shows in the time it takes.
func (v *Verifier) compare(given string, secrets []string) (Proof, error) {
	sum, which := sha256.Sum256([]byte(given)), 0
	for i, secret := range secrets {
		want := sha256.Sum256(v.key(secret))
		if subtle.ConstantTimeCompare(sum[:], want[:]) == 1 && secret != "" && which == 0 {
			which = i + 1
		}
	}
	if which == 0 {
		return Proof{}, ErrForged
	}
	return Proof{Scheme: v.shown, Secret: which}, nil
}

// key is the secret as the partner uses it; nil for one that is not of the profile's form, which matches nothing.
func (v *Verifier) key(secret string) []byte {
	switch v.p.Normalize {
	case "nfkd":
		return norm.NFKD.Bytes([]byte(secret))
	case "whsec":
		encoded, ok := strings.CutPrefix(secret, "whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil {
			return nil
		}
		return key
	}
	return []byte(secret)
}

// signature is one that a delivery carries.
type signature struct {
	mac      [sha256.Size]byte
	encoding Encoding
}

func (v *Verifier) verifySignature(r Request, now time.Time, secrets []string) (Proof, error) {
	given, stamp, err := v.carried(r)
	if err != nil {
		return Proof{}, err
	}
	if stamp != "" && !v.fresh(stamp, now) {
		return Proof{}, ErrStale
	}
	proof := Proof{}
	for i, secret := range secrets {
		key := v.key(secret)
		want := v.sum(key, r, stamp)
		for _, s := range given {
			if hmac.Equal(s.mac[:], want) && len(key) > 0 && proof.Secret == 0 {
				proof = Proof{Scheme: v.shown, Secret: i + 1, Encoding: s.encoding}
			}
		}
	}
	if proof.Secret == 0 {
		return Proof{}, ErrForged
	}
	return proof, nil
}

// carried reads the signatures and the time of signing. A header that comes twice is none: what stands between us
// and the sender may have read the other.
func (v *Verifier) carried(r Request) (given []signature, stamp string, _ error) {
	values := r.Header.Values(v.p.Header)
	if len(values) != 1 || len(values[0]) > maxHeader {
		return nil, "", ErrMissing
	}
	items := []string{values[0]}
	if v.p.Separator != "" {
		items = strings.Split(values[0], v.p.Separator)
	}
	for _, item := range items {
		item = strings.TrimSpace(item)
		if text, ok := strings.CutPrefix(item, v.p.TimestampPrefix); ok && v.p.TimestampPrefix != "" {
			if stamp != "" {
				return nil, "", ErrMissing
			}
			stamp = text
		} else if s, ok := v.read(item); ok && len(given) < maxSignatures {
			given = append(given, s)
		}
	}
	if v.p.TimestampHeader != "" {
		if vs := r.Header.Values(v.p.TimestampHeader); len(vs) == 1 {
			stamp = vs[0]
		}
	}
	timed := v.p.TimestampHeader != "" || v.p.TimestampPrefix != ""
	if len(given) == 0 || timed && !stampForm.MatchString(stamp) || !v.whole(r) {
		return nil, "", ErrMissing
	}
	return given, stamp, nil
}

// stampForm is a time in seconds. Its text is signed, so only one way to write it is read.
var stampForm = regexp.MustCompile(`^[1-9][0-9]{0,10}$`)

// read decodes a signature: 32 bytes, else it is none.
func (v *Verifier) read(item string) (s signature, ok bool) {
	text, ok := strings.CutPrefix(item, v.p.Prefix)
	for _, e := range v.p.Encoding {
		decode := hex.DecodeString
		if e == Base64 {
			decode = base64.StdEncoding.DecodeString
		}
		if mac, err := decode(text); ok && err == nil && len(mac) == sha256.Size {
			return signature{[sha256.Size]byte(mac), e}, true
		}
	}
	return s, false
}

// whole reports whether every header that is signed came, once. A full stop in one could shift what is signed.
func (v *Verifier) whole(r Request) bool {
	for _, p := range v.parts {
		name, signed := strings.CutPrefix(p.name, "header:")
		if values := r.Header.Values(name); signed && (len(values) != 1 || values[0] == "" || strings.Contains(values[0], ".")) {
			return false
		}
	}
	return true
}

func (v *Verifier) fresh(stamp string, now time.Time) bool {
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	off := now.Sub(time.Unix(seconds, 0))
	return err == nil && off <= v.p.Tolerance && off >= -v.p.Tolerance
}

// sum is the HMAC-SHA256 of what the profile says is signed.
func (v *Verifier) sum(key []byte, r Request, stamp string) []byte {
	mac := hmac.New(sha256.New, key)
	for _, p := range v.parts {
		switch p.name {
		case "":
			mac.Write([]byte(p.text))
		case "body":
			mac.Write(r.Body)
		case "timestamp":
			mac.Write([]byte(stamp))
		default:
			mac.Write([]byte(r.Header.Get(strings.TrimPrefix(p.name, "header:"))))
		}
	}
	return mac.Sum(nil)
}

// idForm is what a sender may call a delivery.
var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:/+=@~|-]{0,199}$`)

// DeliveryID is the sender's own id of a delivery, or where it has none the hash of the body: the same body again
// then has the same id.
func (v *Verifier) DeliveryID(r Request) string {
	id := ""
	switch {
	case strings.HasPrefix(v.p.ID, "/"):
		id = textAt(r.Body, v.p.ID)
	case v.p.ID != "":
		id = r.Header.Get(v.p.ID)
	}
	if idForm.MatchString(id) {
		return id
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256(r.Body))
}
