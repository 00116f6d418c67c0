package authn_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"waybill/starters/bridge/authn"
)

func TestDeliverysIDStandsWhereItsSenderPutsIt(t *testing.T) {
	const in = `{"other":{"event_id":"no"},"n":[1,{"event_id":"nor this"}],"event_id":"e-1","data":{"id":7}}`
	for name, c := range map[string]struct{ id, header, body, want string }{
		"a header":                        {"X-Delivery", "d-1", in, "d-1"},
		"a header that is not there":      {"X-Delivery", "", in, ""},
		"a place in the body":             {"/event_id", "", in, "e-1"},
		"a deeper one, which is a number": {"/data/id", "", in, "7"},
		"one that is not there":           {"/nothing", "", in, ""},
		"one that is no text":             {"/data", "", in, ""},
		"a body that breaks off after":    {"/event_id", "", `{"event_id":"e-1","x":`, "e-1"},
		"a body that breaks off before":   {"/event_id", "", `{"x":{"event`, ""},
		"a key twice before it":           {"/event_id", "", `{"x":1,"x":2,"event_id":"e-1"}`, ""},
		"a body in XML":                   {"/event_id", "", `<event_id>e-1</event_id>`, ""},
		"an id with a line in it":         {"/event_id", "", `{"event_id":"a\nb"}`, ""},
		"an id that is too long":          {"/event_id", "", `{"event_id":"` + strings.Repeat("a", 201) + `"}`, ""},
	} {
		v := verifier(t, authn.Profile{Scheme: authn.Bearer, ID: c.id})
		r := authn.Request{Header: http.Header{}, Body: []byte(c.body)}
		if c.header != "" {
			r.Header.Set("X-Delivery", c.header)
		}
		want := c.want
		if want == "" {
			want = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(c.body)))
		}
		if got := v.DeliveryID(r); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestChallengeIsSentBackOnlyToWhomItIsDue(t *testing.T) {
	query := func(text string) url.Values {
		q, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	hmacked := verifier(t, authn.Profile{Scheme: authn.HMAC, Header: "X-Sign", Challenge: "hub.challenge"})
	shown := verifier(t, authn.Profile{Scheme: authn.Bearer, Query: "token", Challenge: "challenge"})
	inBody := verifier(t, authn.Profile{Scheme: authn.Bearer, Challenge: "/challenge"})
	for name, c := range map[string]struct{ got, want string }{
		"by a sender that signs bodies":       {hmacked.AskedByGet(authn.Request{Query: query("hub.challenge=abc-1")}, []string{"s"}), "abc-1"},
		"with something a browser would run":  {hmacked.AskedByGet(authn.Request{Query: query("hub.challenge=<script>")}, []string{"s"}), ""},
		"with its secret":                     {shown.AskedByGet(authn.Request{Query: query("token=s&challenge=abc")}, []string{"s"}), "abc"},
		"without its secret":                  {shown.AskedByGet(authn.Request{Query: query("challenge=abc")}, []string{"s"}), ""},
		"with another secret":                 {shown.AskedByGet(authn.Request{Query: query("token=x&challenge=abc")}, []string{"s"}), ""},
		"by a GET, where it stands in bodies": {inBody.AskedByGet(authn.Request{Query: query("challenge=abc"), Header: http.Header{"Authorization": {"Bearer s"}}}, []string{"s"}), ""},
		"in a body":                           {inBody.Asked(authn.Request{Body: []byte(`{"type":"verify","challenge":"abc"}`)}), "abc"},
		"in no body":                          {inBody.Asked(authn.Request{Body: []byte(`{"type":"event"}`)}), ""},
	} {
		if c.got != c.want {
			t.Errorf("asked %s: %q, want %q", name, c.got, c.want)
		}
	}
}

func TestWhatIsKeptOfAProofHoldsNoSecret(t *testing.T) {
	for name, want := range map[string][]string{"github": {"X-Hub-Signature-256"}, "standard-webhooks": {"webhook-signature", "webhook-timestamp", "webhook-id"}, "ups": nil, "karrio": nil, "fourkites": nil, "shippo-ip": nil} {
		if got := named(t, name).Kept(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestProfileSaysWhatItsOtherKeysWant(t *testing.T) {
	for want, p := range map[string]authn.Profile{
		"auth.answer":    {Scheme: authn.Bearer, Answer: 404},
		"auth.challenge": {Scheme: authn.Bearer, Challenge: "a b"},
		"auth.id":        {Scheme: authn.Bearer, ID: "/a//b"},
	} {
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", p, err, want)
		}
	}
}
