package notify_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"waybill/activities/notify"
	"waybill/activities/notify/notifytest"
	"waybill/starters/bridge/webhook"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func keys(secrets ...string) func() ([]webhook.Key, error) {
	return func() (ks []webhook.Key, err error) {
		for _, s := range secrets {
			k, fault := webhook.ParseKey(s)
			ks, err = append(ks, k), errors.Join(err, fault)
		}
		return ks, err
	}
}

func clientTo(url string, change func(*notify.Subscriber)) *notify.Client {
	s := notify.Subscriber{Name: "portal", URL: url, Keys: keys(notifytest.Secret), Timeout: 5 * time.Second, Private: true}
	if change != nil {
		change(&s)
	}
	return notify.New(s)
}

func event(t *testing.T) (id string, body []byte) {
	t.Helper()
	e, ok := freight.ScanEvent(freight.Scan{Key: "k", Milestone: freight.Delivered, Classifier: freight.Actual, OccurredAt: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}, freight.View{Shipment: "acme-1", Customer: "GLOBEX", OrderName: "S00042"})
	if !ok {
		t.Fatal("a delivery is told to nobody")
	}
	body, err := notify.Renderer("acme")(e, 7)
	if err != nil {
		t.Fatal(err)
	}
	return e.ID(), body
}

func TestSubscriberTakesASignedCloudEvent(t *testing.T) {
	s := notifytest.Start(t)
	id, body := event(t)
	if err := clientTo(s.URL, nil).Tell(t.Context(), id, body); err != nil {
		t.Fatal(err)
	}
	taken := s.Taken()
	if len(taken) != 1 {
		t.Fatalf("it has %d", len(taken))
	}
	e, err := taken[0].Decoded()
	if err != nil {
		t.Fatal(err)
	}
	var said freight.Event
	if err := e.DataAs(&said); err != nil {
		t.Fatal(err)
	}
	if e.ID() != id || e.Type() != "com.waybill.shipment.milestone.v1" || e.Source() != "urn:waybill:acme" || e.Subject() != "shipment/acme-1" || e.Extensions()["sequence"] != "0000000007" || e.DataSchema() != "urn:waybill:schema:told/com.waybill.shipment.milestone.v1#data" || said.Milestone != freight.Delivered || said.Order != "S00042" {
		t.Errorf("got %s\n%+v", e, said)
	}
}

// everything is one event of each kind or more, with all that each can say.
func everything(t *testing.T) (es []freight.Event) {
	t.Helper()
	at := time.Date(2026, 11, 24, 13, 0, 0, 500, time.FixedZone("CET", 3600))
	before := freight.View{Shipment: "acme-1", Revision: 1, Customer: "GLOBEX", OrderName: "S00042", Exceptions: []freight.ExceptionKind{freight.PODShort}}
	for _, s := range []freight.Scan{
		{Key: "a", Milestone: freight.Delivered, Classifier: freight.Actual, OccurredAt: at, Carrier: "FASTFRT", Reason: "consignee_closed", FaultParty: freight.FaultConsignee, ETA: at, Pieces: freight.Pieces{Expected: 2, Unit: "pallets"}, Parcel: "1Z", Statement: "st-1"},
		{Key: "b", Milestone: freight.Unclassified, Classifier: freight.Actual, OccurredAt: at, Retracts: &freight.Retracts{Milestone: freight.Delivered, At: at}},
		{Key: "c", Milestone: freight.Unclassified, Classifier: freight.Actual, OccurredAt: at, Retracts: &freight.Retracts{Statement: "st-1"}},
	} {
		e, ok := freight.ScanEvent(s, before)
		if !ok {
			t.Fatalf("%+v is told to nobody", s)
		}
		es = append(es, e)
	}
	facts := freight.ExceptionFacts{Number: 1, Kind: freight.PODMissing, Owner: freight.Operations, DueBy: at}
	ended := facts
	ended.Action = freight.Dismiss
	trail := []freight.AuditEntry{{N: 1, At: at, Kind: freight.AuditException, Exceptions: []freight.ExceptionFacts{facts}}, {N: 2, At: at, Kind: freight.AuditResolved, Exceptions: []freight.ExceptionFacts{ended}}}
	after := before
	after.Revision, after.At, after.Trailed, after.InvoiceState = 2, at, true, freight.InvoicePaid
	after.Invoice = &freight.Invoice{Move: 9, Number: "INV/2026/00009", Date: "2026-11-24", Net: freight.MustMoney("100.00 USD"), Tax: freight.MustMoney("0.00 USD"), Total: freight.MustMoney("100.00 USD")}
	early := after
	early.Trailed, early.Exceptions = false, []freight.ExceptionKind{freight.PODMissing} // as an early release recorded it
	return append(append(es, freight.RecordEvents(before, after, trail)...), freight.RecordEvents(before, early, nil)...)
}

// TestEveryEventFitsTheSchemaThatIsPublishedForIt, which it names, and says nothing that the schema does not.
func TestEveryEventFitsTheSchemaThatIsPublishedForIt(t *testing.T) {
	schemas, seen := notifytest.Published(t), map[freight.EventKind]bool{}
	for i, e := range everything(t) {
		body, err := notify.Renderer("acme")(e, int64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		if seen[e.Kind] = true; schemas.Check(body) != nil {
			t.Errorf("%s: %v\n%s", e.Kind, schemas.Check(body), body)
		}
		for said, wrong := range map[string]string{`"data":{`: `"data":{"street":"Veldstraat 1",`, "#data": "#more", ".v1": ".v2"} {
			if changed := strings.Replace(string(body), said, wrong, 1); schemas.Check([]byte(changed)) == nil {
				t.Errorf("%s was taken with %s", e.Kind, wrong)
			}
		}
	}
	for _, k := range freight.EventKinds() {
		if !seen[k] {
			t.Errorf("no %s was told: the test proves nothing of it", k)
		}
	}
	if len(schemas) != len(freight.EventKinds()) {
		t.Errorf("%d kinds of events have %d schemas", len(freight.EventKinds()), len(schemas))
	}
}

func TestSubscriberRefusesWhatDoesNotFitTheSchema(t *testing.T) {
	s := notifytest.Start(t)
	id, body := event(t)
	odd := strings.Replace(string(body), `"classifier":"actual"`, `"classifier":"perhaps"`, 1)
	if err := clientTo(s.URL, nil).Tell(t.Context(), id, []byte(odd)); protocol.FaultOf(err) != protocol.Rejected || len(s.Tries()) != 0 {
		t.Errorf("%v, %d tries counted", err, len(s.Tries()))
	}
}

// TestNewSecretIsTakenBeforeTheOldOneGoes: while two are live, who knows either takes the event.
func TestNewSecretIsTakenBeforeTheOldOneGoes(t *testing.T) {
	const other = "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldC1vdGhlci0x"
	s := notifytest.Start(t)
	id, body := event(t)
	for _, secrets := range [][]string{{other, notifytest.Secret}, {notifytest.Secret, other}} {
		if err := clientTo(s.URL, func(s *notify.Subscriber) { s.Keys = keys(secrets...) }).Tell(t.Context(), id, body); err != nil {
			t.Error(err)
		}
	}
	err := clientTo(s.URL, func(s *notify.Subscriber) { s.Keys = keys(other) }).Tell(t.Context(), id, body)
	if protocol.FaultOf(err) != protocol.Configuration {
		t.Errorf("signed with a secret it does not know: %v", err)
	}
}

func TestAnswersHaveTheirClass(t *testing.T) {
	s := notifytest.Start(t)
	id, body := event(t)
	for _, c := range []struct {
		answer notifytest.Answer
		fault  protocol.Fault
		gone   bool
	}{
		{notifytest.Answer{Status: 400}, protocol.Rejected, false},
		{notifytest.Answer{Status: 401}, protocol.Configuration, false},
		{notifytest.Answer{Status: 307}, protocol.Configuration, false},
		{notifytest.Answer{Status: 410}, protocol.Rejected, true},
		{notifytest.Answer{Status: 429}, protocol.Throttled, false},
		{notifytest.Answer{Status: 503}, protocol.Throttled, false},
		{notifytest.Answer{Status: 500}, protocol.Transient, false},
		{notifytest.Answer{Lost: true}, protocol.Ambiguous, false},
	} {
		s.Next = func(notifytest.Told) notifytest.Answer { return c.answer }
		err := clientTo(s.URL, nil).Tell(t.Context(), id, body)
		if err == nil || protocol.FaultOf(err) != c.fault || notify.Gone(err) != c.gone {
			t.Errorf("%+v: %v is %s", c.answer, err, protocol.FaultOf(err))
		}
	}
}

func TestSubscriberThatDoesNotAnswerIsNotWaitedForLong(t *testing.T) {
	s := notifytest.Start(t)
	hang, done := make(chan struct{}), make(chan struct{})
	s.Next = func(notifytest.Told) notifytest.Answer { <-hang; close(done); return notifytest.Answer{} }
	id, body := event(t)
	err := clientTo(s.URL, func(s *notify.Subscriber) { s.Timeout = 50 * time.Millisecond }).Tell(t.Context(), id, body)
	close(hang)
	<-done
	if protocol.FaultOf(err) != protocol.Ambiguous {
		t.Errorf("got %v", err)
	}
}

func TestPrivateAddressesAreNotReached(t *testing.T) {
	s := notifytest.Start(t)
	id, body := event(t)
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0.0.0.0"} {
		err := clientTo("http://"+host+port, func(s *notify.Subscriber) { s.Private = false }).Tell(t.Context(), id, body)
		if err == nil || host != "2130706433" && protocol.FaultOf(err) != protocol.Configuration {
			t.Errorf("%s: %v", host, err)
		}
	}
	if got := s.Tries(); len(got) != 0 {
		t.Errorf("it was reached %d times", len(got))
	}
}

func TestURLIsSeenInNoError(t *testing.T) {
	const token = "tok3n"
	id, body := event(t)
	s := notifytest.Start(t)
	s.Next = func(notifytest.Told) notifytest.Answer { return notifytest.Answer{Lost: true} }
	for _, url := range []string{s.URL + "?key=" + token, "http://127.0.0.1:1/" + token, "http://" + token + "@[", s.URL + "/" + token} {
		if err := clientTo(url, nil).Tell(t.Context(), id, body); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("%v", err)
		}
	}
}

func TestEventWithoutAReadableSecretIsNotSent(t *testing.T) {
	s := notifytest.Start(t)
	id, body := event(t)
	none := func() ([]webhook.Key, error) { return nil, errors.New("the file is gone") }
	err := clientTo(s.URL, func(s *notify.Subscriber) { s.Keys = none }).Tell(t.Context(), id, body)
	if protocol.FaultOf(err) != protocol.Configuration || !strings.Contains(err.Error(), "the file is gone") || len(s.Tries()) != 0 {
		t.Errorf("%v, %d tries", err, len(s.Tries()))
	}
}
