package authn_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"waybill/starters/bridge/authn"
	"waybill/starters/bridge/webhook"
)

// The answers were computed by another implementation: Python's hmac and unicodedata.
const (
	body   = `{"shipment":"acme-1042","status":"in_transit"}`
	secret = "correct horse battery"
	hexMAC = "10714789d76851f00d2eaae5a1073b8d05554b0d82247bd0ec659d2fc8f12167"
	b64MAC = "EHFHiddoUfANLqrloQc7jQVVSw2CJHvQ7GWdL8jxIWc="
	// timed is over "1795435200." and the body.
	timed = "4c8e215386e4d91fee2c9788e8918576158251065d851fdf19d3ff0c4690be08"
	// accented is under the secret "clé secrète", in which the accents are single characters until NFKD takes them apart.
	accented = "1dcb429d138c2aeb215eb5396085b231190fc12fff41084589b2e45f7a1333dd"
	// composed is the same without NFKD.
	composed = "21c0ac1c6851ef63ae08eed194d62d4eb4e89b23fc510c510c11afc1a5f748ee"
	whsec    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

var signedAt = time.Unix(1795435200, 0)

// delivery is a request with one header, from an address of Shippo's.
func delivery(header, value string) authn.Request {
	r := authn.Request{Header: http.Header{}, Query: url.Values{}, From: netip.MustParseAddr("52.4.41.98"), Body: []byte(body)}
	if header != "" {
		r.Header.Set(header, value)
	}
	return r
}

func with(r authn.Request, change func(*authn.Request)) authn.Request { change(&r); return r }

func verifier(t testing.TB, p authn.Profile) *authn.Verifier {
	t.Helper()
	v, err := authn.New(p)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func named(t testing.TB, name string) *authn.Verifier {
	t.Helper()
	p, err := authn.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return verifier(t, p)
}

func webhookRequest(stamp, signatures string) authn.Request {
	r := delivery("webhook-id", "evt-1")
	r.Header.Set("webhook-timestamp", stamp)
	r.Header.Set("webhook-signature", signatures)
	return r
}

func TestEachProvidersOwnProofIsAccepted(t *testing.T) {
	for _, c := range []struct {
		provider, secret, proof string
		r                       authn.Request
	}{
		{"easypost", "cl\u00e9 secr\u00e8te", "hmac secret 1 (hex)", delivery("X-Hmac-Signature", "hmac-sha256-hex="+accented)},
		{"shippo", secret, "hmac secret 1 (hex)", delivery("Shippo-Auth-Signature", "t=1795435200,v1="+timed)},
		{"shippo-token", secret, "bearer secret 1", with(delivery("", ""), func(r *authn.Request) { r.Query.Set("token", secret) })},
		{"shippo-ip", "", "none+ip", delivery("", "")},
		{"aftership", secret, "hmac secret 1 (base64)", delivery("aftership-hmac-sha256", b64MAC)},
		{"karrio", secret, "bearer secret 1", delivery("X-Event-Id", secret)},
		{"fedex", secret, "hmac secret 1 (base64)", delivery("fdx-signature", b64MAC)},
		{"fedex", secret, "hmac secret 1 (hex)", delivery("fdx-signature", strings.ToUpper(hexMAC))},
		{"ups", secret, "bearer secret 1", delivery("x-api-key", secret)},
		{"ups-oauth", secret, "bearer secret 1", delivery("Authorization", "bearer "+secret)},
		{"dhl", secret, "bearer secret 1", delivery("DHL-API-Key", secret)},
		{"dcsa", secret, "hmac secret 1 (hex)", delivery("Notification-Signature", "sha256="+hexMAC)},
		{"stripe", secret, "hmac secret 1 (hex)", delivery("Stripe-Signature", "t=1795435200,v1="+strings.Repeat("0", 64)+",v1="+timed+",v0=x")},
		{"github", secret, "hmac secret 1 (hex)", delivery("X-Hub-Signature-256", "sha256="+hexMAC)},
		{"fourkites", "us:er:pass", "basic secret 1", delivery("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("us:er:pass")))},
		{"standard-webhooks", whsec, "standard-webhooks secret 1 (base64)", webhookRequest("1795435200", "v1a,b3RoZXI= v1,Ic8jDobjpPmsSA0waXoIj1EHZbk59yIKYqd8w7h6lPw=")},
	} {
		proof, err := named(t, c.provider).Verify(c.r, signedAt, []string{c.secret})
		if err != nil || proof.String() != c.proof {
			t.Errorf("%s: got %q, %v; want %q", c.provider, proof, err, c.proof)
		}
	}
}

func TestProofThatIsNotTheProvidersIsRefused(t *testing.T) {
	newline := func(r *authn.Request) { r.Body = append([]byte(body), '\n') }
	for _, c := range []struct {
		name, provider, secret string
		r                      authn.Request
		want                   error
	}{
		{"a newline more in the body", "easypost", "cl\u00e9 secr\u00e8te", with(delivery("X-Hmac-Signature", "hmac-sha256-hex="+accented), newline), authn.ErrForged},
		{"a secret not taken apart by NFKD", "easypost", "cl\u00e9 secr\u00e8te", delivery("X-Hmac-Signature", "hmac-sha256-hex="+composed), authn.ErrForged},
		{"no prefix", "easypost", secret, delivery("X-Hmac-Signature", hexMAC), authn.ErrMissing},
		{"base64 where hex is wanted", "dcsa", secret, delivery("Notification-Signature", "sha256="+b64MAC), authn.ErrMissing},
		{"hex where base64 is wanted", "aftership", secret, delivery("aftership-hmac-sha256", hexMAC), authn.ErrMissing},
		{"a time that was not signed", "shippo", secret, delivery("Shippo-Auth-Signature", "t=1795435201,v1="+timed), authn.ErrForged},
		{"no time", "shippo", secret, delivery("Shippo-Auth-Signature", "v1="+timed), authn.ErrMissing},
		{"two times", "shippo", secret, delivery("Shippo-Auth-Signature", "t=1795435200,t=1795435200,v1="+timed), authn.ErrMissing},
		{"the body signed without its time", "shippo", secret, delivery("Shippo-Auth-Signature", "t=1795435200,v1="+hexMAC), authn.ErrForged},
		{"another token in the URL", "shippo-token", secret, with(delivery("", ""), func(r *authn.Request) { r.Query.Set("token", secret+"x") }), authn.ErrForged},
		{"two tokens in the URL", "shippo-token", secret, with(delivery("", ""), func(r *authn.Request) { r.Query["token"] = []string{secret, "x"} }), authn.ErrMissing},
		{"a token in a header where the URL is wanted", "shippo-token", secret, delivery("token", secret), authn.ErrMissing},
		{"an address that is not Shippo's", "shippo-ip", "", with(delivery("", ""), func(r *authn.Request) { r.From = netip.MustParseAddr("52.4.41.99") }), authn.ErrElsewhere},
		{"no address", "shippo-ip", "", with(delivery("", ""), func(r *authn.Request) { r.From = netip.Addr{} }), authn.ErrElsewhere},
		{"an HMAC in place of the secret itself", "karrio", secret, delivery("X-Event-Id", hexMAC), authn.ErrForged},
		{"part of the secret", "ups", secret, delivery("x-api-key", secret[:5]), authn.ErrForged},
		{"an empty secret", "ups", "", delivery("x-api-key", ""), authn.ErrMissing},
		{"a header twice", "github", secret, with(delivery("X-Hub-Signature-256", "sha256="+hexMAC), func(r *authn.Request) { r.Header.Add("X-Hub-Signature-256", "sha256="+hexMAC) }), authn.ErrMissing},
		{"no header", "github", secret, delivery("", ""), authn.ErrMissing},
		{"another body", "github", secret, with(delivery("X-Hub-Signature-256", "sha256="+hexMAC), func(r *authn.Request) { r.Body = []byte("{}") }), authn.ErrForged},
		{"an id with a full stop, which shifts what is signed", "standard-webhooks", whsec, with(webhookRequest("1795435200", "v1,Ic8jDobjpPmsSA0waXoIj1EHZbk59yIKYqd8w7h6lPw="), func(r *authn.Request) {
			r.Header.Set("webhook-id", "evt-1.1795435200")
		}), authn.ErrMissing},
		{"a secret that is not base64", "standard-webhooks", "whsec_!", webhookRequest("1795435200", "v1,Ic8jDobjpPmsSA0waXoIj1EHZbk59yIKYqd8w7h6lPw="), authn.ErrForged},
		{"a password of another user", "fourkites", "user:pass", delivery("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("resu:pass"))), authn.ErrForged},
	} {
		t.Run(c.name, func(t *testing.T) {
			if proof, err := named(t, c.provider).Verify(c.r, signedAt, []string{c.secret}); !errors.Is(err, c.want) {
				t.Errorf("got %q, %v; want %v", proof, err, c.want)
			}
		})
	}
}

func TestEmptySecretMatchesNothing(t *testing.T) {
	for _, provider := range []string{"karrio", "shippo-token", "fourkites", "github", "standard-webhooks"} {
		r := webhookRequest("1795435200", "v1,"+b64MAC)
		r.Header.Set("X-Event-Id", "")
		r.Header.Set("Authorization", "Basic ")
		r.Header.Set("X-Hub-Signature-256", "sha256="+hexMAC)
		r.Query.Set("token", "")
		if _, err := named(t, provider).Verify(r, signedAt, []string{"", ""}); err == nil {
			t.Errorf("%s: an empty secret let a delivery in", provider)
		}
	}
}

func TestWhileASecretIsRotatedBothAreTakenAndTheProofSaysWhich(t *testing.T) {
	v := named(t, "github")
	r := delivery("X-Hub-Signature-256", "sha256="+hexMAC)
	for place, secrets := range map[int][]string{1: {secret, "next"}, 2: {"old", secret}, 3: {"a", "b", secret}} {
		if proof, err := v.Verify(r, signedAt, secrets); err != nil || proof.Secret != place {
			t.Errorf("secret %d: got %+v, %v", place, proof, err)
		}
	}
	if _, err := v.Verify(r, signedAt, []string{"old", "next"}); !errors.Is(err, authn.ErrForged) {
		t.Errorf("a secret that is gone still opens: %v", err)
	}
}

func TestTimeOfSigningMayBeFiveMinutesOffEitherWay(t *testing.T) {
	v := named(t, "stripe")
	r := delivery("Stripe-Signature", "t=1795435200,v1="+timed)
	for off, want := range map[time.Duration]error{
		-5 * time.Minute: nil, 5 * time.Minute: nil, -5*time.Minute - time.Second: authn.ErrStale, 5*time.Minute + time.Second: authn.ErrStale,
	} {
		if _, err := v.Verify(r, signedAt.Add(off), []string{secret}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", off, err, want)
		}
	}
}

func TestAddressListIsALayerOnTopOfTheProof(t *testing.T) {
	p, err := authn.Named("fedex")
	if err != nil {
		t.Fatal(err)
	}
	p.Allow = []string{"20.65.16.22/31", "2001:db8::/32"}
	v := verifier(t, p)
	r := delivery("fdx-signature", b64MAC)
	for from, want := range map[string]error{
		"20.65.16.22": nil, "20.65.16.23": nil, "::ffff:20.65.16.23": nil, "2001:db8::7": nil, "20.65.16.24": authn.ErrElsewhere, "2001:db9::7": authn.ErrElsewhere,
	} {
		r.From = netip.MustParseAddr(from)
		if _, err := v.Verify(r, signedAt, []string{secret}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", from, err, want)
		}
	}
	r.From = netip.MustParseAddr("20.65.16.22")
	if _, err := v.Verify(r, signedAt, []string{"another"}); !errors.Is(err, authn.ErrForged) {
		t.Errorf("the right address made up for a wrong signature: %v", err)
	}
}

func TestStandardWebhooksAgreesWithOurOwnSender(t *testing.T) {
	r := delivery("", "")
	if err := webhook.Stamp(r.Header, whsec, "evt-7", signedAt, r.Body); err != nil {
		t.Fatal(err)
	}
	v := named(t, "standard-webhooks")
	if _, err := v.Verify(r, signedAt, []string{whsec}); err != nil {
		t.Error(err)
	}
	if id := v.DeliveryID(r); id != "evt-7" {
		t.Errorf("the delivery is %q", id)
	}
}

func TestStandardsOwnAnswerIsAccepted(t *testing.T) {
	r := delivery("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	r.Header.Set("webhook-timestamp", "1614265330")
	r.Header.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	r.Body = []byte(`{"test": 2432232314}`)
	if _, err := named(t, "standard-webhooks").Verify(r, time.Unix(1614265330, 0), []string{whsec}); err != nil {
		t.Error(err)
	}
}

func TestDeliveryWithoutAnIDIsCalledByItsBody(t *testing.T) {
	v := named(t, "github")
	const hash = "sha256:98fc8fe9aa6dfd22a7ed3a1f68f4cb4e9e84e3d63e06e4be08ed4f6e7c0bb0b1"
	r := delivery("X-Hub-Signature-256", "sha256="+hexMAC)
	same, other := v.DeliveryID(r), v.DeliveryID(with(r, func(r *authn.Request) { r.Body = []byte("{}") }))
	if !strings.HasPrefix(same, "sha256:") || len(same) != len(hash) || same == other || same != v.DeliveryID(r) {
		t.Errorf("got %q and %q", same, other)
	}
	r.Header.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
	if got := v.DeliveryID(r); got != "72d3162e-cc78-11e3-81ab-4c9367dc0958" {
		t.Errorf("got %q", got)
	}
	r.Header.Set("X-GitHub-Delivery", "no id\x00")
	if got := v.DeliveryID(r); got != same {
		t.Errorf("an id that is none was kept: %q", got)
	}
}

func TestProfileThatProvesNothingIsRefusedInWords(t *testing.T) {
	for name, c := range map[string]struct {
		p    authn.Profile
		want string
	}{
		"nothing said":                 {authn.Profile{}, "auth.profile"},
		"an unknown scheme":            {authn.Profile{Scheme: "md5", Header: "x"}, "auth.profile"},
		"no header":                    {authn.Profile{Scheme: authn.HMAC}, "auth.header"},
		"the body not covered":         {authn.Profile{Scheme: authn.HMAC, Header: "x", Signed: "{header:x-id}"}, "{body}"},
		"a time that is not signed":    {authn.Profile{Scheme: authn.HMAC, Header: "x", TimestampHeader: "x-time"}, "{timestamp}"},
		"a signed time nobody reads":   {authn.Profile{Scheme: authn.HMAC, Header: "x", Signed: "{timestamp}.{body}"}, "timestamp_header"},
		"a word in braces not known":   {authn.Profile{Scheme: authn.HMAC, Header: "x", Signed: "{body}{url}"}, "{header:NAME}"},
		"an unknown encoding":          {authn.Profile{Scheme: authn.HMAC, Header: "x", Encoding: []authn.Encoding{"rot13"}}, "auth.encoding"},
		"an unknown form of secret":    {authn.Profile{Scheme: authn.HMAC, Header: "x", Normalize: "nfc"}, "auth.normalize"},
		"an address only, without one": {authn.Profile{Scheme: authn.AddressOnly}, "auth.allow"},
		"every address":                {authn.Profile{Scheme: authn.AddressOnly, Allow: []string{"0.0.0.0/0"}}, "auth.allow"},
		"a header beside none+ip":      {authn.Profile{Scheme: authn.AddressOnly, Header: "x", Allow: []string{"192.0.2.1"}}, "none+ip"},
		"no address at all":            {authn.Profile{Scheme: authn.Bearer, Allow: []string{"shippo.com"}}, "shippo.com"},
		"a day of tolerance":           {authn.Profile{Scheme: authn.HMAC, Header: "x", Tolerance: 24 * time.Hour}, "auth.tolerance"},
		"a signature beside a secret":  {authn.Profile{Scheme: authn.Bearer, Signed: "{body}"}, "auth.signed"},
		"a URL parameter with hmac":    {authn.Profile{Scheme: authn.HMAC, Header: "x", Query: "token"}, "auth.query"},
	} {
		if _, err := authn.New(c.p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want words about %s", name, err, c.want)
		}
	}
}

func TestProviderNobodyKnowsIsNamedWithThoseKnown(t *testing.T) {
	if _, err := authn.Named("acme"); err == nil || !strings.Contains(err.Error(), `"acme"`) || !strings.Contains(err.Error(), "easypost") {
		t.Error(err)
	}
}

// FuzzVerify wants no delivery to be accepted that differs from the signed one, and no panic.
func FuzzVerify(f *testing.F) {
	f.Add("sha256="+hexMAC, "t=1795435200,v1="+timed, []byte(body), "1795435200")
	f.Add("", "", []byte{}, "")
	f.Add("hmac-sha256-hex=", "t=,v1=", []byte("{}"), "-1")
	known, err := authn.Known()
	if err != nil {
		f.Fatal(err)
	}
	vs := map[string]*authn.Verifier{}
	for name, p := range known {
		vs[name] = verifier(f, p)
	}
	f.Fuzz(func(t *testing.T, a, b string, payload []byte, stamp string) {
		for name, v := range vs {
			p := known[name]
			r := authn.Request{Header: http.Header{}, Query: url.Values{"token": {a}}, Body: payload}
			for _, h := range []string{p.Header, "Authorization"} {
				if h != "" {
					r.Header[http.CanonicalHeaderKey(h)] = []string{a, b}[:1+len(b)%2]
				}
			}
			r.Header.Set("webhook-timestamp", stamp)
			r.Header.Set("webhook-id", stamp)
			proof, err := v.Verify(r, signedAt, []string{"", whsec, secret})
			if err == nil && string(payload) != body && p.Scheme == authn.HMAC {
				t.Fatalf("%s took a body that was not signed: %v", name, proof)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	v, r := named(b, "github"), delivery("X-Hub-Signature-256", "sha256="+hexMAC)
	for b.Loop() {
		if _, err := v.Verify(r, signedAt, []string{"old", secret}); err != nil {
			b.Fatal(err)
		}
	}
}
