package tms_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/activities/tms"
	"waybill/activities/tms/tmstest"
	"waybill/internal/partner"
	"waybill/internal/partner/contracttest"
	"waybill/internal/partner/partnertest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

const requestBody = `{"external_ref":"acme-1/1","shipment":"acme-1","carrier":"FASTFRT","order":"S00070","ship_to":{"ref":9,"country":"US","postcode":"75001"},"weight":"120.5","pieces":2}`

// TestTMSKeepsItsContract has the TMS give every answer the document promises, and refuse all it forbids.
func TestTMSKeepsItsContract(t *testing.T) {
	stand := tmstest.New()
	c := contracttest.Load(t, tms.OpenAPI()).Caller(t, stand, &stand.Server)
	create := contracttest.Request{Method: "POST", Path: "/v1/shipment-requests", Key: "acme-1/1", Body: requestBody}
	cancel := contracttest.Request{Method: "POST", Path: "/v1/shipment-requests/T000001/cancel", Key: "acme-1/1/cancel", Body: `{"reason":"the customer called it off"}`}
	read := contracttest.Request{Method: "GET", Path: "/v1/shipment-requests/T000001"}
	find := contracttest.Request{Method: "GET", Path: "/v1/shipment-requests?external_ref=acme-1%2F1"}

	c.Want(read, http.StatusNotFound, "unknown")
	c.Want(cancel, http.StatusNotFound, "unknown")
	for _, q := range []contracttest.Request{create, read, find, cancel} {
		c.Refusals(q)
	}
	c.Want(read, http.StatusOK, "")
	c.Want(find, http.StatusOK, "")
	c.Want(contracttest.Request{Method: "GET", Path: "/v1/shipment-requests"}, http.StatusBadRequest, "parameter_required")
	stand.Forget()
	if a := c.Want(create, http.StatusConflict, "duplicate_ref"); a.Problem.Existing != "T000001" {
		t.Errorf("the conflict names %q, want the request that holds the reference", a.Problem.Existing)
	}
	c.Want(contracttest.Request{Method: "POST", Path: create.Path, Key: "acme-2/1", Body: `{"external_ref":"acme-2/1","shipment":"acme-2"}`}, http.StatusCreated, "")
	stand.PickedUp("acme-2")
	left := contracttest.Request{Method: "POST", Path: "/v1/shipment-requests/T000002/cancel", Key: "acme-2/1/cancel", Body: cancel.Body}
	if a := c.Want(left, http.StatusConflict, partner.CodeNotCancellable); a.Problem.Detail != "picked up" || a.Problem.Retryable {
		t.Errorf("freight that left: %+v", a.Problem)
	}
	c.Complete()
}

func watched(t *testing.T) (*tms.TMS, *tmstest.TMS) {
	t.Helper()
	stand := tmstest.New()
	return client(t, stand), stand
}

func client(t *testing.T, handler http.Handler) *tms.TMS {
	t.Helper()
	return &tms.TMS{Client: contracttest.Load(t, tms.OpenAPI()).Client(t, handler)}
}

func tender(n int) protocol.TransportRequest {
	return protocol.TransportRequest{Shipment: "acme-1", Tender: n, Release: freight.Release{
		OrderName: "S00070", Carrier: "FASTFRT", ShipTo: freight.Place{Ref: 9, Country: "US", Postcode: "75001"}, Weight: "120.5", Pieces: 2,
	}}
}

func calledOff(booking string) protocol.TransportCancel {
	return protocol.TransportCancel{Shipment: "acme-1", Tender: 1, Booking: booking, Reason: "the customer called it off"}
}

func TestTenderIsOneRequestAndTheNextTenderIsAnother(t *testing.T) {
	c, stand := watched(t)
	first, err := c.RequestTransport(t.Context(), tender(1))
	if d := cmp.Diff(freight.Booking{Ref: "T000001", Carrier: "FASTFRT", PRO: "PRO7000001"}, first); err != nil || d != "" {
		t.Fatal(d, err)
	}
	stand.Decline("acme-1")
	for _, forget := range []bool{false, true} {
		if forget {
			stand.Forget()
		}
		if again, err := c.RequestTransport(t.Context(), tender(1)); err != nil || !cmp.Equal(again, first) {
			t.Errorf("keys forgotten %t: got %+v, %v", forget, again, err)
		}
	}
	second, err := c.RequestTransport(t.Context(), tender(2))
	if all := stand.Requests(); err != nil || second.Ref != "T000002" || len(all) != 2 || all[0].Status != tms.StatusDeclined || all[1].Status != tms.StatusRequested {
		t.Errorf("got %+v, %v; the TMS has %+v", second, err, all)
	}
}

// TestKeysAreMadeOfShipmentAndTenderOnly so that a second attempt, by whatever process, has the first one's.
func TestKeysAreMadeOfShipmentAndTenderOnly(t *testing.T) {
	c, stand := watched(t)
	keys := contracttest.Keys(&stand.Server)
	for range 2 {
		if _, err := c.RequestTransport(t.Context(), tender(1)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := c.CancelTransport(t.Context(), calledOff("T000001")); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"acme-1/1", "acme-1/1", "acme-1/1/cancel", "acme-1/1/cancel"}; !slices.Equal(*keys, want) {
		t.Errorf("got %q, want %q", *keys, want)
	}
}

func TestCarrierIsTheTMSsChoiceWhereNoneIsNamed(t *testing.T) {
	c, stand := watched(t)
	stand.Carrier = func(tms.NewRequest) freight.CarrierCode { return "SLOWFRT" }
	q := tender(1)
	q.Release.Carrier = ""
	for _, forget := range []bool{false, true} {
		if forget {
			stand.Forget()
		}
		if b, err := c.RequestTransport(t.Context(), q); err != nil || b.Carrier != "SLOWFRT" {
			t.Errorf("keys forgotten %t: got %+v, %v", forget, b, err)
		}
	}
}

func TestFiftyCallersMakeOneRequestAndOneCancellation(t *testing.T) {
	for name, storm := range contracttest.Storms() {
		t.Run(name, func(t *testing.T) {
			c, stand := watched(t)
			asked := make(chan tms.Request, 100)
			stand.OnRequest = func(r tms.Request) { asked <- r }
			stand.Fail(storm(&stand.Server))
			b := contracttest.Crowd(t, c.RequestTransport, tender(1))
			if all := stand.Requests(); len(all) != 1 || all[0].ID != b.Ref {
				t.Errorf("the callers were told %s; the TMS has %+v", b.Ref, all)
			}
			if r := <-asked; r.ID != b.Ref || len(asked) != 0 {
				t.Errorf("the planner saw %s and %d more", r.ID, len(asked))
			}
			for _, booking := range []string{b.Ref, ""} { // with the reply seen, and without
				if got := contracttest.Crowd(t, c.CancelTransport, calledOff(booking)); !got.Cancelled || got.Refusal != "" {
					t.Errorf("booking %q: got %+v", booking, got)
				}
			}
			if all := stand.Requests(); len(all) != 1 || all[0].Status != tms.StatusCancelled {
				t.Errorf("the TMS has %+v", all)
			}
			if seen, lost := stand.Counts(); lost == 0 {
				t.Errorf("no reply of %d was lost: the storm did not blow", seen)
			}
		})
	}
}

// TestOtherFreightUnderTheKeyIsRefusedInWords, also where the TMS has forgotten the key.
func TestOtherFreightUnderTheKeyIsRefusedInWords(t *testing.T) {
	for differs, change := range map[string]func(*freight.Release){
		"weight":           func(r *freight.Release) { r.Weight = "130" },
		"carrier":          func(r *freight.Release) { r.Carrier = "SLOWFRT" },
		"order":            func(r *freight.Release) { r.OrderName = "S00071" },
		"ship-to":          func(r *freight.Release) { r.ShipTo.Postcode = "60601" },
		"number of pieces": func(r *freight.Release) { r.Pieces = 3 },
	} {
		for _, forget := range []bool{false, true} {
			c, stand := watched(t)
			if _, err := c.RequestTransport(t.Context(), tender(1)); err != nil {
				t.Fatal(err)
			}
			if forget {
				stand.Forget()
			}
			q := tender(1)
			change(&q.Release)
			_, err := c.RequestTransport(t.Context(), q)
			want := "the TMS has T000001 under acme-1/1 and its " + differs + " differ from what is asked: correct T000001 there, then resolve with retry"
			if words := contracttest.Refused(t, err, protocol.Rejected); words != want {
				t.Errorf("got %q, want %q", words, want)
			}
			if all := stand.Requests(); len(all) != 1 || all[0].Weight != "120.5" {
				t.Errorf("the TMS has %+v", all)
			}
		}
	}
}

func TestRequestThatIsCancelledThereIsNotTakenForABooking(t *testing.T) {
	c, stand := watched(t)
	b, err := c.RequestTransport(t.Context(), tender(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CancelTransport(t.Context(), calledOff(b.Ref)); err != nil {
		t.Fatal(err)
	}
	stand.Forget()
	_, err = c.RequestTransport(t.Context(), tender(1))
	if words := contracttest.Refused(t, err, protocol.Rejected); !strings.Contains(words, "as cancelled: reopen it there") {
		t.Errorf("got %q", words)
	}
}

func TestFreightThatLeftIsNotCancelledAndTheTMSSaysWhy(t *testing.T) {
	c, stand := watched(t)
	if _, err := c.RequestTransport(t.Context(), tender(1)); err != nil {
		t.Fatal(err)
	}
	stand.Accept("acme-1")
	stand.PickedUp("acme-1")
	for _, reason := range []string{"the customer called it off", "and now finally"} { // a refusal is not kept under the key
		q := calledOff("T000001")
		q.Reason = reason
		got, err := c.CancelTransport(t.Context(), q)
		if err != nil || got.Cancelled || got.Refusal != "picked up" {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if all := stand.Requests(); all[0].Status != tms.StatusPickedUp {
		t.Errorf("the TMS has %+v", all)
	}
}

func TestWhatTheTMSNeverHeardOfOrNobodyTookIsAsGoodAsCancelled(t *testing.T) {
	c, stand := watched(t)
	if got, err := c.CancelTransport(t.Context(), calledOff("")); err != nil || !got.Cancelled {
		t.Errorf("never heard of: %+v, %v", got, err)
	}
	if _, err := c.RequestTransport(t.Context(), tender(1)); err != nil {
		t.Fatal(err)
	}
	stand.Decline("acme-1")
	if got, err := c.CancelTransport(t.Context(), calledOff("T000001")); err != nil || !got.Cancelled {
		t.Errorf("declined: %+v, %v", got, err)
	}
	stand.PickedUp("acme-1")
	if all := stand.Requests(); all[0].Status != tms.StatusDeclined {
		t.Errorf("declined freight was picked up: %+v", all)
	}
}

// TestSecondReasonForACancellationReadsWhereItStands: what counts is whether the freight moves, not who asked first.
func TestSecondReasonForACancellationReadsWhereItStands(t *testing.T) {
	c, stand := watched(t)
	if _, err := c.RequestTransport(t.Context(), tender(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CancelTransport(t.Context(), calledOff("T000001")); err != nil {
		t.Fatal(err)
	}
	again := calledOff("T000001")
	again.Reason = "duplicate order"
	if got, err := c.CancelTransport(t.Context(), again); err != nil || !got.Cancelled {
		t.Errorf("got %+v, %v", got, err)
	}
	if seen, _ := stand.Counts(); seen != 4 { // asked, cancelled, refused by key, looked up
		t.Errorf("the TMS saw %d calls", seen)
	}
}

func TestTMSThatSaysItCancelledButDidNotIsNotBelieved(t *testing.T) {
	for _, status := range []string{tms.StatusRequested, tms.StatusAccepted} {
		c := client(t, answers(http.StatusOK, status))
		_, err := c.CancelTransport(t.Context(), calledOff("T000001"))
		if words := contracttest.Refused(t, err, protocol.Rejected); !strings.Contains(words, "cancel it there") {
			t.Errorf("got %q", words)
		}
		_, err = c.CancelTransport(t.Context(), calledOff("T000009"))
		contracttest.Refused(t, err, protocol.Poison)
	}
	_, err := client(t, answers(http.StatusCreated, tms.StatusRequested)).RequestTransport(t.Context(), tender(2))
	if words := contracttest.Refused(t, err, protocol.Poison); !strings.Contains(words, `asked for "acme-1/2"`) {
		t.Errorf("got %q", words)
	}
}

// answers says of every call that it is about the first tender of acme-1.
func answers(code int, status string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		partnertest.Answer(w, code, tms.Request{ID: "T000001", Status: status, NewRequest: tms.NewRequest{ExternalRef: "acme-1/1", Shipment: "acme-1"}})
	})
}

func TestParcelsHaveTheNumbersThatTheTMSKnows(t *testing.T) {
	c, stand := watched(t)
	stand.Tracking = func(n tms.NewRequest) []string { return []string{string(n.Shipment) + "-a", string(n.Shipment) + "-b"} }
	b, err := c.RequestTransport(t.Context(), tender(1))
	want := []freight.Reference{{Kind: freight.RefPRO, Carrier: "FASTFRT", Value: b.PRO}, {Kind: freight.RefTracking, Carrier: "FASTFRT", Value: "acme-1-a"}, {Kind: freight.RefTracking, Carrier: "FASTFRT", Value: "acme-1-b"}}
	if d := cmp.Diff(want, b.References()); err != nil || d != "" {
		t.Error(d, err)
	}
}

func TestMoreNumbersThanTheContractAllowsFillNoShipment(t *testing.T) {
	stand := tmstest.New()
	stand.Tracking = func(tms.NewRequest) []string { return slices.Repeat([]string{"P1"}, 201) }
	c := &tms.TMS{Client: partner.New(partner.Options{Name: "TMS", URL: serve(t, stand), Token: func() (string, error) { return partnertest.Token, nil }})}
	if _, err := c.RequestTransport(t.Context(), tender(1)); protocol.FaultOf(err) != protocol.Poison {
		t.Errorf("got %v", err)
	}
}

func TestRequestIsReadAsItStandsByShipmentAndTender(t *testing.T) {
	c, stand := watched(t)
	if _, there, err := c.Read(t.Context(), "acme-1", 1); there || err != nil {
		t.Errorf("before it was made: %t, %v", there, err)
	}
	if _, err := c.RequestTransport(t.Context(), tender(1)); err != nil {
		t.Fatal(err)
	}
	stand.Accept("acme-1")
	r, there, err := c.Read(t.Context(), "acme-1", 1)
	if !there || err != nil || r.Status != tms.StatusAccepted || time.Since(r.Since) > time.Minute {
		t.Errorf("%+v, %t, %v", r, there, err)
	}
	if _, there, err := c.Read(t.Context(), "acme-1", 2); there || err != nil {
		t.Errorf("a tender that was not made: %t, %v", there, err)
	}
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}
