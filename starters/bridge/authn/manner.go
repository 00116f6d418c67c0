package authn

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Answer is the status that the partner takes for a yes, without a body; 0: any, with one.
func (v *Verifier) Answer() int { return v.p.Answer }

// Keyless reports whether a delivery is proved without a secret.
func (v *Verifier) Keyless() bool { return v.p.Scheme == AddressOnly }

// Kept lists the headers of a proof that hold no secret: with them and the bytes as they came, anyone with the secret
// can verify the delivery again.
func (v *Verifier) Kept() (names []string) {
	if v.p.Scheme != HMAC {
		return nil
	}
	names = append(names, v.p.Header)
	if v.p.TimestampHeader != "" {
		names = append(names, v.p.TimestampHeader)
	}
	for _, p := range v.parts {
		if name, ok := strings.CutPrefix(p.name, "header:"); ok {
			names = append(names, name)
		}
	}
	return names
}

// challengeForm is what is sent back: nothing that a browser could take for more than text.
var challengeForm = regexp.MustCompile(`^[A-Za-z0-9._~=-]{1,200}$`)

// Asked is the text that a verified delivery wants back; "" for a delivery that is one.
func (v *Verifier) Asked(r Request) string {
	if !strings.HasPrefix(v.p.Challenge, "/") {
		return ""
	}
	return challenge(textAt(r.Body, v.p.Challenge))
}

// AskedByGet is the text that a GET wants back; "" for none. What could carry a proof has to.
func (v *Verifier) AskedByGet(r Request, secrets []string) string {
	if v.p.Challenge == "" || strings.HasPrefix(v.p.Challenge, "/") || !v.allows(r.From) {
		return ""
	}
	if v.p.Scheme == Bearer || v.p.Scheme == Basic {
		given, err := v.presented(r)
		if err != nil {
			return ""
		}
		if _, err := v.compare(given, secrets); err != nil {
			return ""
		}
	}
	return challenge(r.Query.Get(v.p.Challenge))
}

func challenge(text string) string {
	if !challengeForm.MatchString(text) {
		return ""
	}
	return text
}

// textAt is the text or number at a place in a JSON body, which is read so far and no further; "" where there is none.
func textAt(body []byte, pointer string) string {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	depth := strings.Count(pointer, "/")
	for {
		t, err := d.ReadToken()
		if err != nil {
			return ""
		}
		if d.StackDepth() != depth {
			continue
		}
		in, n := d.StackIndex(depth)
		isName := in == '{' && n%2 == 1
		if kind := t.Kind(); !isName && (kind == '"' || kind == '0') && string(d.StackPointer()) == pointer {
			return t.String()
		}
	}
}
