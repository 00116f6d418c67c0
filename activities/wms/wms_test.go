package wms_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"waybill/activities/wms"
	"waybill/activities/wms/wmstest"
	"waybill/internal/partner"
	"waybill/internal/partner/contracttest"
	"waybill/internal/partner/partnertest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

const shipOrderBody = `{"external_ref":"acme-1/1","shipment":"acme-1","order":"S00070","delivery":"WH/OUT/00007","ship_to":{"ref":9,"country":"US","postcode":"75001"},"weight":"120.5","pieces":2,"carrier":"FASTFRT","pro":"PRO7000001"}`

// TestWMSKeepsItsContract has the WMS give every answer the document promises, and refuse all it forbids.
func TestWMSKeepsItsContract(t *testing.T) {
	stand := wmstest.New()
	c := contracttest.Load(t, wms.OpenAPI()).Caller(t, stand, &stand.Server)
	create := contracttest.Request{Method: "POST", Path: "/v1/ship-orders", Key: "acme-1/1", Body: shipOrderBody}
	cancel := contracttest.Request{Method: "POST", Path: "/v1/ship-orders/W000001/cancel", Key: "acme-1/1/cancel", Body: `{"reason":"the customer called it off"}`}
	read := contracttest.Request{Method: "GET", Path: "/v1/ship-orders/W000001"}
	find := contracttest.Request{Method: "GET", Path: "/v1/ship-orders?external_ref=acme-1%2F1"}

	c.Want(read, http.StatusNotFound, "unknown")
	c.Want(cancel, http.StatusNotFound, "unknown")
	for _, q := range []contracttest.Request{create, read, find, cancel} {
		c.Refusals(q)
	}
	c.Want(read, http.StatusOK, "")
	c.Want(find, http.StatusOK, "")
	c.Want(contracttest.Request{Method: "GET", Path: "/v1/ship-orders"}, http.StatusBadRequest, "parameter_required")
	stand.Forget()
	if a := c.Want(create, http.StatusConflict, "duplicate_ref"); a.Problem.Existing != "W000001" {
		t.Errorf("the conflict names %q, want the ship order that holds the reference", a.Problem.Existing)
	}
	second := contracttest.Request{Method: "POST", Path: create.Path, Key: "acme-2/1", Body: `{"external_ref":"acme-2/1","shipment":"acme-2"}`}
	stand.Serves("FASTFRT")
	c.Want(second, http.StatusUnprocessableEntity, "invalid")
	stand.Serves()
	c.Want(second, http.StatusCreated, "")
	stand.HandedOver("acme-2")
	left := contracttest.Request{Method: "POST", Path: "/v1/ship-orders/W000002/cancel", Key: "acme-2/1/cancel", Body: cancel.Body}
	if a := c.Want(left, http.StatusConflict, partner.CodeNotCancellable); a.Problem.Detail != "handed over" || a.Problem.Retryable {
		t.Errorf("goods that are handed over: %+v", a.Problem)
	}
	c.Complete()
}

func watched(t *testing.T) (*wms.Warehouse, *wmstest.WMS) {
	t.Helper()
	stand := wmstest.New()
	return client(t, stand), stand
}

func client(t *testing.T, handler http.Handler) *wms.Warehouse {
	t.Helper()
	return &wms.Warehouse{Client: contracttest.Load(t, wms.OpenAPI()).Client(t, handler)}
}

func goods(tender int) protocol.ShipOrderRequest {
	return protocol.ShipOrderRequest{
		Shipment: "acme-1", Tender: tender, Order: "S00070", Delivery: "WH/OUT/00007", ShipTo: freight.Place{Ref: 9, Country: "US", Postcode: "75001"},
		Weight: "120.5", Pieces: 2, Carrier: "FASTFRT", PRO: "PRO7000001", Target: "reno",
	}
}

func calledOff(shipOrder string) protocol.ShipOrderCancel {
	return protocol.ShipOrderCancel{Shipment: "acme-1", Tender: 1, ShipOrder: shipOrder, Reason: "the customer called it off", Target: "reno"}
}

func ask(t *testing.T, c *wms.Warehouse, q protocol.ShipOrderRequest) protocol.ShipOrdered {
	t.Helper()
	o, err := c.RequestShipOrder(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestWarehouseLearnsWhatToPackForWhomAndWhoComesForIt(t *testing.T) {
	c, stand := watched(t)
	if o := ask(t, c, goods(1)); o.Ref != "W000001" {
		t.Errorf("got %+v", o)
	}
	want := wms.NewShipOrder{
		ExternalRef: "acme-1/1", Shipment: "acme-1", Order: "S00070", Delivery: "WH/OUT/00007", ShipTo: freight.Place{Ref: 9, Country: "US", Postcode: "75001"},
		Weight: "120.5", Pieces: 2, Carrier: "FASTFRT", PRO: "PRO7000001",
	}
	if all := stand.ShipOrders(); len(all) != 1 || all[0].NewShipOrder != want || all[0].Status != wms.StatusReceived {
		t.Errorf("the WMS has %+v", all)
	}
}

func TestAcceptedTenderIsOneShipOrderHoweverOftenItIsAsked(t *testing.T) {
	c, stand := watched(t)
	first := ask(t, c, goods(1))
	for _, forget := range []bool{false, true} {
		if forget {
			stand.Forget()
		}
		if again := ask(t, c, goods(1)); again != first {
			t.Errorf("keys forgotten %t: got %+v", forget, again)
		}
	}
	if second := ask(t, c, goods(2)); second.Ref != "W000002" || len(stand.ShipOrders()) != 2 {
		t.Errorf("another tender: got %+v; the WMS has %+v", second, stand.ShipOrders())
	}
}

// TestKeysAreMadeOfShipmentAndTenderOnly so that a second attempt, by whatever process, has the first one's.
func TestKeysAreMadeOfShipmentAndTenderOnly(t *testing.T) {
	c, stand := watched(t)
	keys := contracttest.Keys(&stand.Server)
	for range 2 {
		ask(t, c, goods(1))
	}
	for range 2 {
		if _, err := c.CancelShipOrder(t.Context(), calledOff("W000001")); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"acme-1/1", "acme-1/1", "acme-1/1/cancel", "acme-1/1/cancel"}; !slices.Equal(*keys, want) {
		t.Errorf("got %q, want %q", *keys, want)
	}
}

func TestFiftyCallersMakeOneShipOrderAndOneCancellation(t *testing.T) {
	for name, storm := range contracttest.Storms() {
		t.Run(name, func(t *testing.T) {
			c, stand := watched(t)
			stand.Fail(storm(&stand.Server))
			o := contracttest.Crowd(t, c.RequestShipOrder, goods(1))
			if all := stand.ShipOrders(); len(all) != 1 || all[0].ID != o.Ref {
				t.Errorf("the callers were told %s; the WMS has %+v", o.Ref, all)
			}
			for _, ref := range []string{o.Ref, ""} { // with the reply seen, and without
				if got := contracttest.Crowd(t, c.CancelShipOrder, calledOff(ref)); !got.Cancelled || got.Refusal != "" {
					t.Errorf("ship order %q: got %+v", ref, got)
				}
			}
			if all := stand.ShipOrders(); len(all) != 1 || all[0].Status != wms.StatusCancelled {
				t.Errorf("the WMS has %+v", all)
			}
			if seen, lost := stand.Counts(); lost == 0 {
				t.Errorf("no reply of %d was lost: the storm did not blow", seen)
			}
		})
	}
}

// TestOtherGoodsUnderTheKeyAreRefusedInWords, also where the WMS has forgotten the key.
func TestOtherGoodsUnderTheKeyAreRefusedInWords(t *testing.T) {
	for differs, change := range map[string]func(*protocol.ShipOrderRequest){
		"order":            func(q *protocol.ShipOrderRequest) { q.Order = "S00071" },
		"delivery":         func(q *protocol.ShipOrderRequest) { q.Delivery = "WH/OUT/00008" },
		"ship-to":          func(q *protocol.ShipOrderRequest) { q.ShipTo.Postcode = "60601" },
		"weight":           func(q *protocol.ShipOrderRequest) { q.Weight = "130" },
		"number of pieces": func(q *protocol.ShipOrderRequest) { q.Pieces = 3 },
		"carrier":          func(q *protocol.ShipOrderRequest) { q.Carrier = "SLOWFRT" },
		"PRO":              func(q *protocol.ShipOrderRequest) { q.PRO = "PRO7000002" },
	} {
		for _, forget := range []bool{false, true} {
			c, stand := watched(t)
			ask(t, c, goods(1))
			if forget {
				stand.Forget()
			}
			q := goods(1)
			change(&q)
			_, err := c.RequestShipOrder(t.Context(), q)
			want := "the WMS has W000001 under acme-1/1 and its " + differs + " differ from what is asked: correct W000001 there, then resolve with retry"
			if words := contracttest.Refused(t, err, protocol.Rejected); words != want {
				t.Errorf("got %q, want %q", words, want)
			}
			if all := stand.ShipOrders(); len(all) != 1 || all[0].Weight != "120.5" {
				t.Errorf("the WMS has %+v", all)
			}
		}
	}
}

func TestCarrierWithoutADockIsRefusedUntilItIsEntered(t *testing.T) {
	c, stand := watched(t)
	stand.Serves("SLOWFRT")
	_, err := c.RequestShipOrder(t.Context(), goods(1))
	if words := contracttest.Refused(t, err, protocol.Rejected); !strings.Contains(words, `there is no dock for carrier "FASTFRT"`) {
		t.Errorf("got %q", words)
	}
	stand.Serves("SLOWFRT", "FASTFRT")
	ask(t, c, goods(1))
}

func TestShipOrderThatIsCancelledThereIsNotTakenForOneThatIsPacked(t *testing.T) {
	c, stand := watched(t)
	o := ask(t, c, goods(1))
	if _, err := c.CancelShipOrder(t.Context(), calledOff(o.Ref)); err != nil {
		t.Fatal(err)
	}
	stand.Forget()
	_, err := c.RequestShipOrder(t.Context(), goods(1))
	if words := contracttest.Refused(t, err, protocol.Rejected); !strings.Contains(words, "as cancelled: reopen it there") {
		t.Errorf("got %q", words)
	}
	stand.Reopen("acme-1")
	if again := ask(t, c, goods(1)); again != o {
		t.Errorf("once reopened: got %+v", again)
	}
}

func TestGoodsThatArePackedAreStillStopped(t *testing.T) {
	c, stand := watched(t)
	o := ask(t, c, goods(1))
	stand.Packed("acme-1")
	if got, err := c.CancelShipOrder(t.Context(), calledOff(o.Ref)); err != nil || !got.Cancelled {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestGoodsThatAreHandedOverAreNotStoppedAndTheWarehouseSaysWhy(t *testing.T) {
	c, stand := watched(t)
	ask(t, c, goods(1))
	stand.HandedOver("acme-1")
	for _, reason := range []string{"the customer called it off", "and now finally"} { // a refusal is not kept under the key
		q := calledOff("W000001")
		q.Reason = reason
		got, err := c.CancelShipOrder(t.Context(), q)
		if err != nil || got.Cancelled || got.Refusal != "handed over" {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if all := stand.ShipOrders(); all[0].Status != wms.StatusHandedOver {
		t.Errorf("the WMS has %+v", all)
	}
}

func TestWhatTheWarehouseNeverHeardOfIsAsGoodAsCancelled(t *testing.T) {
	c, _ := watched(t)
	if got, err := c.CancelShipOrder(t.Context(), calledOff("")); err != nil || !got.Cancelled {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestSecondReasonForACancellationReadsWhereItStands: what counts is whether the goods stay, not who asked first.
func TestSecondReasonForACancellationReadsWhereItStands(t *testing.T) {
	for _, handedOver := range []bool{false, true} { // since it was reopened
		c, stand := watched(t)
		ask(t, c, goods(1))
		if _, err := c.CancelShipOrder(t.Context(), calledOff("W000001")); err != nil {
			t.Fatal(err)
		}
		if handedOver {
			stand.Reopen("acme-1")
			stand.HandedOver("acme-1")
		}
		again := calledOff("W000001")
		again.Reason = "duplicate order"
		if got, err := c.CancelShipOrder(t.Context(), again); err != nil || got.Cancelled == handedOver {
			t.Errorf("handed over %t: got %+v, %v", handedOver, got, err)
		}
		if seen, _ := stand.Counts(); seen != 4 { // asked, cancelled, refused by key, looked up
			t.Errorf("the WMS saw %d calls", seen)
		}
	}
}

func TestWMSThatSaysItCancelledButDidNotIsNotBelieved(t *testing.T) {
	for _, status := range []string{wms.StatusReceived, wms.StatusPacked} {
		c := client(t, answers(http.StatusOK, status))
		_, err := c.CancelShipOrder(t.Context(), calledOff("W000001"))
		if words := contracttest.Refused(t, err, protocol.Rejected); !strings.Contains(words, "cancel it there") {
			t.Errorf("got %q", words)
		}
		_, err = c.CancelShipOrder(t.Context(), calledOff("W000009"))
		contracttest.Refused(t, err, protocol.Poison)
	}
	_, err := client(t, answers(http.StatusCreated, wms.StatusReceived)).RequestShipOrder(t.Context(), goods(2))
	if words := contracttest.Refused(t, err, protocol.Poison); !strings.Contains(words, `asked for "acme-1/2"`) {
		t.Errorf("got %q", words)
	}
}

// answers says of every call that it is about the first tender of acme-1.
func answers(code int, status string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		partnertest.Answer(w, code, wms.ShipOrder{ID: "W000001", Status: status, NewShipOrder: wms.NewShipOrder{ExternalRef: "acme-1/1", Shipment: "acme-1"}})
	})
}

func TestCheckAsksTheWMSAndChangesNothing(t *testing.T) {
	c, stand := watched(t)
	if err := c.Check(t.Context()); err != nil || len(stand.ShipOrders()) != 0 {
		t.Errorf("%v; the WMS has %+v", err, stand.ShipOrders())
	}
}
