package bridge_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/starters/bridge"
	"waybill/starters/bridge/bridgetest"
	"waybill/starters/bridge/webhook"
)

func TestAcceptedDeliveryIsInTheInboxByteForByte(t *testing.T) {
	w := newWorld(t)
	body := strings.Replace(delivered("acme-1042"), `{"specversion"`, "{ \n\t"+`"specversion"`, 1)
	a := w.send(letter{id: "evt-7", body: body, header: func(h http.Header) { h.Set("User-Agent", "fastfrt/1.0") }}).want(t, http.StatusAccepted)
	if a.receipt.ID != "evt-7" || a.receipt.Repeat {
		t.Errorf("the receipt is %s", a.body)
	}
	ds := w.kept(store.Pending)
	if len(ds) != 1 {
		t.Fatalf("%d deliveries are kept, want 1", len(ds))
	}
	d := ds[0]
	if d.Source != "carrier" || d.ID != "evt-7" || string(d.Body) != body || d.VerifiedBy != "standard-webhooks secret 1" || !d.ReceivedAt.Equal(w.clock.now()) {
		t.Errorf("kept %+v with body %s", d, d.Body)
	}
	if d.Headers["content-type"] != "application/cloudevents+json" || d.Headers["user-agent"] != "fastfrt/1.0" || d.Headers["x-request-id"] != a.header.Get("X-Request-Id") {
		t.Errorf("kept headers %v", d.Headers)
	}
	for name, value := range d.Headers {
		if strings.Contains(value, "v1,") {
			t.Errorf("the signature is kept in %s", name)
		}
	}
}

func TestRepeatedDeliveryIsAnsweredAsRepeat(t *testing.T) {
	w := newWorld(t)
	w.send(letter{}).want(t, http.StatusAccepted)
	w.clock.move(time.Hour)
	if a := w.send(letter{}).want(t, http.StatusAccepted); !a.receipt.Repeat {
		t.Errorf("the second is answered %s", a.body)
	}
	if n := len(w.kept("")); n != 1 {
		t.Errorf("%d deliveries are kept, want 1", n)
	}
}

func TestSameIDOfTwoSourcesIsTwoDeliveries(t *testing.T) {
	w := newWorld(t, withSource(bridge.Source{Name: "tms"}, bridgetest.SecretOf("t")))
	w.send(letter{}).want(t, http.StatusAccepted)
	if a := w.send(letter{source: "tms", secret: bridgetest.SecretOf("t"), body: delivered("acme-7")}).want(t, http.StatusAccepted); a.receipt.Repeat {
		t.Error("the id of one source is taken for that of another")
	}
}

func TestSameIDWithAnotherBodyIsAConflictAndAnAlert(t *testing.T) {
	w := newWorld(t)
	w.send(letter{}).want(t, http.StatusAccepted)
	a := w.send(letter{body: delivered("acme-7")}).want(t, http.StatusConflict)
	if !strings.Contains(a.problem.Detail, "under a new id") {
		t.Errorf("the detail does not say what to do: %s", a.problem.Detail)
	}
	ds := w.kept("")
	if len(ds) != 1 || !strings.Contains(string(ds[0].Body), "acme-1042") {
		t.Errorf("the first delivery does not stand among %d", len(ds))
	}
	if n := len(w.logged("delivery_conflict")); n != 1 {
		t.Errorf("%d alerts, want 1", n)
	}
}

// forgeries are deliveries that are not verified, by what is wrong with them.
func forgeries(now time.Time) map[string]letter {
	set := func(name, value string) func(http.Header) { return func(h http.Header) { h.Set(name, value) } }
	drop := func(name string) func(http.Header) { return func(h http.Header) { h.Del(name) } }
	return map[string]letter{
		"without a signature":           {header: drop(webhook.SignatureHeader)},
		"without an id":                 {header: drop(webhook.IDHeader)},
		"without a timestamp":           {header: drop(webhook.TimestampHeader)},
		"with an empty signature":       {header: set(webhook.SignatureHeader, " ")},
		"with another's secret":         {secret: bridgetest.SecretOf("x")},
		"with another id than signed":   {header: set(webhook.IDHeader, "evt-2")},
		"with another time than signed": {header: set(webhook.TimestampHeader, fmt.Sprint(now.Unix()+1))},
		"with a time that is no number": {header: set(webhook.TimestampHeader, "yesterday")},
		"with a time in another form":   {header: set(webhook.TimestampHeader, "+"+fmt.Sprint(now.Unix()))},
		"with an id that is too long":   {id: strings.Repeat("a", 201)},
		"with a full stop in the id":    {id: "evt.1"},
		"with a space in the id":        {id: "evt 1"},
		"with two ids":                  {header: func(h http.Header) { h.Add(webhook.IDHeader, "evt-2") }},
		"signed 301 seconds ago":        {at: now.Add(-301 * time.Second)},
		"signed 301 seconds from now":   {at: now.Add(301 * time.Second)},
		"with a signature of another kind": {header: func(h http.Header) {
			h.Set(webhook.SignatureHeader, "v1a,"+strings.TrimPrefix(h.Get(webhook.SignatureHeader), "v1,"))
		}},
		"with the right signature after eight others": {header: func(h http.Header) {
			h.Set(webhook.SignatureHeader, strings.Repeat("v1,AAAA ", 8)+h.Get(webhook.SignatureHeader))
		}},
	}
}

func TestUnverifiedDeliveryIsRefusedAndNotKept(t *testing.T) {
	w := newWorld(t)
	for name, l := range forgeries(w.clock.now()) {
		t.Run(name, func(t *testing.T) {
			a := w.send(l).want(t, http.StatusUnauthorized)
			if a.header.Get("WWW-Authenticate") == "" {
				t.Error("a 401 without a scheme")
			}
		})
	}
	if n := len(w.kept("")); n > 0 {
		t.Errorf("%d are kept", n)
	}
}

func TestClockOfASenderMayBeFiveMinutesOff(t *testing.T) {
	w := newWorld(t)
	for i, off := range []time.Duration{-5 * time.Minute, 5 * time.Minute} {
		w.send(letter{id: fmt.Sprint("evt-", i), at: w.clock.now().Add(off)}).want(t, http.StatusAccepted)
	}
}

// said is all of an answer that a stranger can learn from, without the request's own name.
func said(a answer) string {
	h := a.header.Clone()
	id := h.Get("X-Request-Id")
	h.Del("X-Request-Id")
	h.Del("Date")
	return fmt.Sprintln(a.status, h, strings.ReplaceAll(a.body, id, "?"))
}

func TestStrangerCannotTellWhetherASourceExists(t *testing.T) {
	w := newWorld(t, withSource(bridge.Source{Name: "scans", Limit: bridge.DocumentLimit}, bridgetest.SecretOf("s")))
	strange := forgeries(w.clock.now())
	strange["of 300 KiB"] = letter{secret: bridgetest.SecretOf("x"), body: proof(300 << 10)}
	strange["as large as may be"] = letter{secret: bridgetest.SecretOf("x"), body: strings.Repeat(" ", bridge.DocumentLimit)}
	strange["too large"] = letter{secret: bridgetest.SecretOf("x"), body: strings.Repeat(" ", bridge.DocumentLimit+1)}
	strange["too large without a length"] = letter{secret: bridgetest.SecretOf("x"), body: strings.Repeat(" ", bridge.DocumentLimit+1), stream: true}
	strange["as text"] = letter{secret: bridgetest.SecretOf("x"), media: "text/plain"}
	for name, l := range strange {
		t.Run(name, func(t *testing.T) {
			l.source = "nobody"
			want := said(w.send(l))
			for _, source := range []string{"carrier", "scans"} {
				l.source = source
				if got := said(w.send(l)); got != want {
					t.Errorf("%s and a source that is not there are told apart:\n%s\n%s", source, got, want)
				}
			}
		})
	}
}

func TestDeliverySignedForOneSourceOpensNoOther(t *testing.T) {
	w := newWorld(t, withSource(bridge.Source{Name: "tms"}, bridgetest.SecretOf("t")))
	for _, source := range []string{"tms", "nobody"} { // one that is not there borrows the keys of carrier to work on
		w.send(letter{source: source}).want(t, http.StatusUnauthorized)
	}
}

func TestEachOfThreeLiveSecretsVerifies(t *testing.T) {
	w := newWorld(t)
	w.carrier.set(nil, bridgetest.SecretOf("a"), bridgetest.SecretOf("b"), bridgetest.SecretOf("c"), bridgetest.SecretOf("d"))
	for i, letterOf := range []string{"a", "b", "c"} {
		w.send(letter{id: "evt-" + letterOf, secret: bridgetest.SecretOf(letterOf)}).want(t, http.StatusAccepted)
		if d := w.kept("")[i]; d.VerifiedBy != fmt.Sprintf("standard-webhooks secret %d", i+1) {
			t.Errorf("verified by %s", d.VerifiedBy)
		}
	}
	w.send(letter{id: "evt-d", secret: bridgetest.SecretOf("d")}).want(t, http.StatusUnauthorized)
}

func TestSenderMaySignWithOldAndNewSecretAtOnce(t *testing.T) {
	w := newWorld(t)
	both := func(h http.Header) {
		h.Set(webhook.SignatureHeader, "v1,"+strings.Repeat("A", 43)+"= "+h.Get(webhook.SignatureHeader)+" v1a,AAAA")
	}
	w.send(letter{header: both}).want(t, http.StatusAccepted)
}

func TestBodyAtTheLimitIsTakenAndOneByteMoreIsNot(t *testing.T) {
	w := newWorld(t, withSource(bridge.Source{Name: "scans", Limit: bridge.DocumentLimit}, bridgetest.SecretOf("s")))
	fill := func(n int) string { return delivered("acme-1042") + strings.Repeat(" ", n-len(delivered("acme-1042"))) }
	for _, c := range []struct {
		name, source, secret string
		size                 int
		want                 int
	}{
		{"256 KiB of a source without documents", "carrier", carrierSecret, bridge.DefaultLimit, http.StatusAccepted},
		{"a byte more", "carrier", carrierSecret, bridge.DefaultLimit + 1, http.StatusRequestEntityTooLarge},
		{"5 MiB of a source with documents", "scans", bridgetest.SecretOf("s"), bridge.DocumentLimit, http.StatusAccepted},
		{"a byte more than those", "scans", bridgetest.SecretOf("s"), bridge.DocumentLimit + 1, http.StatusRequestEntityTooLarge},
	} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, ", without a length: ", stream), func(t *testing.T) {
				id := fmt.Sprint("evt-", c.size, "-", stream)
				a := w.send(letter{source: c.source, secret: c.secret, id: id, body: fill(c.size), stream: stream}).want(t, c.want)
				if c.want == http.StatusRequestEntityTooLarge && !strings.Contains(a.problem.Detail, "bytes") {
					t.Errorf("the detail has no limit: %s", a.problem.Detail)
				}
			})
		}
	}
}

// TestDocumentOfTheLargestSizeArrives sends what docs/partners.md promises to take.
func TestDocumentOfTheLargestSizeArrives(t *testing.T) {
	const largest = 3584 << 10
	w := newWorld(t, withSource(bridge.Source{Name: "scans", Limit: bridge.DocumentLimit}, bridgetest.SecretOf("s")))
	w.send(letter{source: "scans", secret: bridgetest.SecretOf("s"), body: proof(largest)}).want(t, http.StatusAccepted)
	if ds := w.kept(store.Pending); len(ds) != 1 || len(ds[0].Body) < largest*4/3 {
		t.Errorf("%d are kept", len(ds))
	}
}

func TestContentTypes(t *testing.T) {
	w := newWorld(t)
	coded := func(value string) func(http.Header) { return func(h http.Header) { h.Set("Content-Encoding", value) } }
	for i, c := range []struct {
		media  string
		header func(http.Header)
		want   int
	}{
		{"application/cloudevents+json", nil, http.StatusAccepted},
		{"application/json", nil, http.StatusAccepted},
		{"Application/JSON", nil, http.StatusAccepted},
		{"application/cloudevents+json; charset=UTF-8", nil, http.StatusAccepted},
		{`application/cloudevents+json;charset="utf-8"`, nil, http.StatusAccepted},
		{"application/json; profile=x", nil, http.StatusAccepted},
		{"application/json", coded("identity"), http.StatusAccepted},
		{"application/json", coded("gzip"), http.StatusUnsupportedMediaType},
		{"application/json; charset=iso-8859-1", nil, http.StatusUnsupportedMediaType},
		{"application/cloudevents-batch+json", nil, http.StatusUnsupportedMediaType},
		{"application/xml", nil, http.StatusUnsupportedMediaType},
		{"application/json; charset", nil, http.StatusUnsupportedMediaType},
		{"application/json", func(h http.Header) { h.Add("Content-Type", "text/plain") }, http.StatusUnsupportedMediaType},
		{"application/json", func(h http.Header) { h.Del("Content-Type") }, http.StatusUnsupportedMediaType},
	} {
		t.Run(c.media, func(t *testing.T) {
			w.send(letter{id: fmt.Sprint("evt-", i), media: c.media, header: c.header}).want(t, c.want)
		})
	}
}

func TestWrongPathsSayWhereToGo(t *testing.T) {
	w := newWorld(t)
	req := w.request(letter{})
	req.URL.Path = "/v1/event/carrier"
	if a := w.do(req).want(t, http.StatusNotFound); !strings.Contains(a.problem.Detail, "/v1/events/{source}") {
		t.Errorf("the detail does not say where: %s", a.problem.Detail)
	}
	req = w.request(letter{})
	req.Method = http.MethodPut
	if a := w.do(req).want(t, http.StatusMethodNotAllowed); !slices.Contains(a.header.Values("Allow"), http.MethodPost) {
		t.Errorf("allowed are %q", a.header.Values("Allow"))
	}
}

func TestSourcesAreNamedSoThatTheyCannotMeet(t *testing.T) {
	for _, name := range []string{"", "Carrier", "a/b", "unknown", bridge.HintSource, "carrier", strings.Repeat("a", 41)} {
		_, err := bridge.New(bridge.Options{Sources: []bridge.Source{{Name: "carrier"}, {Name: name}}})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", name)) {
			t.Errorf("a source %q beside carrier: %v", name, err)
		}
	}
}
