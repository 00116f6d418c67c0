// Package authn decides whether a delivery comes from the partner it names. How a partner proves that is data: a
// profile says where the proof stands, how it is written and what it covers, and what else of its HTTP is its own: where
// the id of a delivery stands, and the answer it takes for a yes.
package authn

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Scheme is the kind of proof a partner gives.
type Scheme string

// The schemes.
const (
	StandardWebhooks Scheme = "standard-webhooks" // the open standard: everything about it is fixed
	HMAC             Scheme = "hmac"              // HMAC-SHA256 over what Signed names
	Bearer           Scheme = "bearer"            // the secret itself, in a header or in the URL
	Basic            Scheme = "basic"             // user:password, as HTTP has it
	AddressOnly      Scheme = "none+ip"           // nothing but the address it comes from
)

// Encoding is how a signature is written.
type Encoding string

// The encodings.
const (
	Hex    Encoding = "hex" // in either case
	Base64 Encoding = "base64"
)

// Profile is how one kind of partner proves that a delivery is its own. The zero value proves nothing: Check refuses it.
type Profile struct {
	Scheme Scheme `yaml:"profile"`
	// Header holds the signature or the secret. "": Authorization, for bearer and basic.
	Header string `yaml:"header"`
	// Query names the URL parameter that holds the secret, instead of a header; for bearer.
	Query string `yaml:"query"`
	// Prefix stands before each signature, or before the secret. What does not begin with it is no signature.
	Prefix string `yaml:"prefix"`
	// Separator stands between several signatures in one header. "": there is one.
	Separator string `yaml:"separator"`
	// Encoding lists how a signature may be written; the first that reads as 32 bytes counts. Empty: hex.
	Encoding []Encoding `yaml:"encoding"`
	// Signed is what the signature covers: text with {body}, {timestamp} and {header:NAME}. "": {body}.
	Signed string `yaml:"signed"`
	// TimestampHeader holds the time of signing, in seconds since 1970.
	TimestampHeader string `yaml:"timestamp_header"`
	// TimestampPrefix marks the part of Header that holds it instead, such as "t=".
	TimestampPrefix string `yaml:"timestamp_prefix"`
	// Tolerance is how far the time of signing may be off, either way. 0: five minutes.
	Tolerance time.Duration `yaml:"tolerance"`
	// Normalize says what is done to a secret before it is used: "" nothing, "nfkd" Unicode NFKD, "whsec" base64 after whsec_.
	Normalize string `yaml:"normalize"`
	// ID is where the sender's own id of a delivery stands: a header, or a place in a JSON body, such as /event_id. "", or
	// a delivery without it: the hash of the body.
	ID string `yaml:"id"`
	// Answer is the status that the partner takes for a yes, 200 to 299, without a body. 0: 202, with a receipt.
	Answer int `yaml:"answer"`
	// Challenge is where a partner that asks whether we listen puts the text to send back: a parameter of a GET, such as
	// hub.challenge, or a place in a verified JSON body, such as /challenge. "": it does not ask.
	Challenge string `yaml:"challenge"`
	// Allow lists the addresses a delivery may come from, on top of any other proof: 192.0.2.1 or 192.0.2.0/24. Empty: any.
	Allow []string `yaml:"allow"`
}

const (
	// defaultTolerance is what the libraries of Stripe and of Standard Webhooks allow.
	defaultTolerance = 5 * time.Minute
	// maxTolerance bounds for how long a captured delivery could be sent again.
	maxTolerance = time.Hour
)

// webhooks is the open standard in the words of a profile.
var webhooks = Profile{
	Scheme: HMAC, Header: "webhook-signature", Prefix: "v1,", Separator: " ", Encoding: []Encoding{Base64}, Signed: "{header:webhook-id}.{timestamp}.{body}",
	TimestampHeader: "webhook-timestamp", Normalize: "whsec", ID: "webhook-id",
}

// settled is the profile with every default written out.
func (p Profile) settled() Profile {
	if p.Scheme == StandardWebhooks {
		fixed := webhooks
		fixed.Allow, fixed.Tolerance, fixed.Answer, fixed.Challenge = p.Allow, p.Tolerance, p.Answer, p.Challenge
		p = fixed
	}
	if p.Header == "" && p.Query == "" && (p.Scheme == Bearer || p.Scheme == Basic) {
		p.Header = "Authorization"
		if p.Prefix == "" {
			p.Prefix = map[Scheme]string{Bearer: "Bearer ", Basic: "Basic "}[p.Scheme]
		}
	}
	if p.Scheme == HMAC && p.Signed == "" {
		p.Signed = "{body}"
	}
	if p.Scheme == HMAC && len(p.Encoding) == 0 {
		p.Encoding = []Encoding{Hex}
	}
	if p.Tolerance == 0 {
		p.Tolerance = defaultTolerance
	}
	return p
}

// Check says all that is wrong with a profile, in words that tell what to write.
func (p Profile) Check() error {
	var faults []error
	want := func(ok bool, key, want string) {
		if !ok {
			faults = append(faults, fmt.Errorf("auth.%s: want %s", key, want))
		}
	}
	plain := p
	plain.Scheme, plain.Tolerance, plain.Allow, plain.ID = "", 0, nil, ""
	p = p.settled()
	want(slices.Contains([]Scheme{HMAC, Bearer, Basic, AddressOnly}, p.Scheme), "profile", "standard-webhooks, hmac, bearer, basic or none+ip")
	want(p.Scheme == webhooks.Scheme || p.Signed == "" && len(p.Encoding) == 0 && p.Separator == "" && p.TimestampHeader == "" && p.TimestampPrefix == "", "signed",
		"signed, encoding, separator and timestamps with profile hmac only")
	want(p.Scheme != AddressOnly || len(p.Allow) > 0, "allow", "the addresses a delivery may come from: nothing else tells whose it is")
	want(p.Scheme != AddressOnly || plain.empty(), "profile", "nothing but allow beside none+ip")
	want(p.Query == "" || p.Scheme == Bearer && p.Header == "", "query", "a URL parameter with profile bearer only, and without header")
	want(p.Header != "" || p.Scheme == AddressOnly || p.Query != "", "header", "the header that holds the proof")
	want(slices.Contains([]string{"", "nfkd", "whsec"}, p.Normalize), "normalize", "nfkd, whsec or nothing")
	want(p.Answer == 0 || p.Answer >= 200 && p.Answer <= 299, "answer", "a status from 200 to 299, or nothing for 202")
	want(p.Challenge == "" || placeForm.MatchString(p.Challenge), "challenge", "a parameter such as hub.challenge, or a place in the body such as /challenge")
	want(p.ID == "" || placeForm.MatchString(p.ID), "id", "a header such as X-Delivery, or a place in the body such as /event_id")
	want(p.Tolerance > 0 && p.Tolerance <= maxTolerance, "tolerance", "a duration up to 1h")
	for _, e := range p.Encoding {
		want(e == Hex || e == Base64, "encoding", "hex, base64 or both")
	}
	faults = append(faults, p.checkSigned())
	_, err := p.prefixes()
	return errors.Join(append(faults, err)...)
}

// placeForm is the name of a header or parameter, or a JSON pointer of some depth.
var placeForm = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]{0,99}|(/[A-Za-z0-9._-]{1,60}){1,5})$`)

// empty reports whether nothing is said at all.
func (p Profile) empty() bool {
	return p.Header+p.Query+p.Prefix+p.Separator+p.Signed+p.TimestampHeader+p.TimestampPrefix+p.Normalize == "" && len(p.Encoding) == 0
}

// part is a piece of what is signed: fixed text, or the name of what stands there.
type part struct{ text, name string }

var placeholder = regexp.MustCompile(`\{(body|timestamp|header:[A-Za-z0-9-]+)\}`)

// parts cuts the template of what is signed at its placeholders.
func (p Profile) parts() (ps []part) {
	at := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(p.Signed, -1) {
		ps = append(ps, part{text: p.Signed[at:m[0]]}, part{name: p.Signed[m[2]:m[3]]})
		at = m[1]
	}
	return append(ps, part{text: p.Signed[at:]})
}

// checkSigned wants the body covered, and a time that is read to be signed: an unsigned one could be replaced.
func (p Profile) checkSigned() error {
	if p.Scheme != HMAC {
		return nil
	}
	stamped := p.TimestampHeader != "" || p.TimestampPrefix != ""
	switch rest := placeholder.ReplaceAllString(p.Signed, ""); {
	case strings.ContainsAny(rest, "{}"):
		return fmt.Errorf("auth.signed: %q: want {body}, {timestamp} and {header:NAME} only", p.Signed)
	case !strings.Contains(p.Signed, "{body}"):
		return errors.New("auth.signed: want {body} in it, else anyone could change the body")
	case stamped != strings.Contains(p.Signed, "{timestamp}"):
		return errors.New("auth.signed: want {timestamp} in it and one of timestamp_header and timestamp_prefix beside it, or none of them")
	case p.TimestampHeader != "" && p.TimestampPrefix != "":
		return errors.New("auth.timestamp_header: want this or timestamp_prefix, not both")
	}
	return nil
}

// prefixes reads the addresses that are allowed.
func (p Profile) prefixes() (ps []netip.Prefix, _ error) {
	for _, text := range p.Allow {
		one, err := netip.ParsePrefix(text)
		if addr, alone := netip.ParseAddr(text); alone == nil {
			one, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil || one.Bits() == 0 {
			return nil, fmt.Errorf("auth.allow: %q: want an address or a range such as 192.0.2.0/24", text)
		}
		ps = append(ps, one.Masked())
	}
	return ps, nil
}
