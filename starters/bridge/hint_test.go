package bridge_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/starters/bridge"
)

const hintToken = "a token of sixteen & more characters"

func withToken(token string, fault error) func(*bridge.Options) {
	return func(o *bridge.Options) {
		o.HintToken = func() (string, error) { return token, fault }
	}
}

func (w *world) hint(query, body string) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.server.URL+"/v1/hints/odoo"+query, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return w.do(req)
}

var rightToken = "?token=" + url.QueryEscape(hintToken)

// order is what Odoo 19 sends for a sale order.
func order(id int, write string) string {
	return fmt.Sprintf(`{"_action":"Waybill: order confirmed(#7)","_id":%d,"_model":"sale.order","id":%d,"write_date":%q}`, id, id, write)
}

func TestHintOfOdooSaysWhereToLookAndNothingElse(t *testing.T) {
	w := newWorld(t, withToken(hintToken, nil))
	w.hint(rightToken, order(17, "2026-11-24 11:59:59")).want(t, http.StatusAccepted)
	ds := w.kept(store.Pending)
	if len(ds) != 1 || ds[0].Source != bridge.HintSource || string(ds[0].Body) != `{"model":"sale.order","id":17}` || ds[0].VerifiedBy != "url token" {
		t.Errorf("kept %d: %s", len(ds), ds[0].Body)
	}
}

func TestHintWithoutTheRightTokenIsRefused(t *testing.T) {
	for name, query := range map[string]string{
		"none": "", "empty": "?token=", "wrong": "?token=wrong", "a part of it": rightToken[:len(rightToken)-1], "in another case": strings.ToUpper(rightToken), "twice, wrong first": "?token=x&" + rightToken[1:],
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, withToken(hintToken, nil))
			w.hint(query, order(17, "")).want(t, http.StatusUnauthorized)
			if n := len(w.kept("")); n > 0 {
				t.Error("it is kept")
			}
		})
	}
}

func TestHintsAreClosedWhereNoTokenIsConfigured(t *testing.T) {
	for name, change := range map[string]func(*bridge.Options){"none": func(*bridge.Options) {}, "an empty one": withToken("", nil)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, change)
			w.hint("", order(17, "")).want(t, http.StatusUnauthorized)
			w.hint("?token=", order(17, "")).want(t, http.StatusUnauthorized)
		})
	}
}

func TestHintTokenThatCannotBeReadPutsOff(t *testing.T) {
	w := newWorld(t, withToken("", errors.New("bridge.hint_token: no such file")))
	w.hint("?token=", order(17, "")).want(t, http.StatusServiceUnavailable)
	if said := w.logged("secrets_unreadable"); len(said) != 1 || !strings.Contains(fmt.Sprint(said[0].ContextMap()), "bridge.hint_token") {
		t.Errorf("told %v", said)
	}
}

func TestHintOfTheSameWriteIsARepeatAndOfALaterOneIsNot(t *testing.T) {
	w := newWorld(t, withToken(hintToken, nil))
	for _, c := range []struct {
		write  string
		repeat bool
	}{{"2026-11-24 11:59:59", false}, {"2026-11-24 11:59:59", true}, {"2026-11-24 12:00:03", false}} {
		if a := w.hint(rightToken, order(17, c.write)).want(t, http.StatusAccepted); a.receipt.Repeat != c.repeat {
			t.Errorf("write of %s: %s", c.write, a.body)
		}
	}
}

// Without write_date among the fields of the webhook, two changes of one record look alike.
func TestHintWithoutATimeIsAlwaysNews(t *testing.T) {
	w := newWorld(t, withToken(hintToken, nil))
	for range 2 {
		if a := w.hint(rightToken, order(17, "")).want(t, http.StatusAccepted); a.receipt.Repeat {
			t.Error("the second is taken for the first")
		}
		w.clock.move(time.Millisecond)
	}
}

func TestHintThatIsNoneOfOdoos(t *testing.T) {
	w := newWorld(t, withToken(hintToken, nil))
	for name, body := range map[string]string{
		"nothing": "", "no JSON": "x", "a list": "[]", "no id": `{"_model":"sale.order"}`, "a false id": `{"_model":"sale.order","_id":-1}`, "an id that is text": `{"_model":"sale.order","_id":"1"}`,
		"no model": `{"_id":1}`, "a model that is none": `{"_model":"sale order; drop","_id":1}`, "a time that is none": `{"_model":"sale.order","_id":1,"write_date":"<script>"}`,
	} {
		t.Run(name, func(t *testing.T) {
			a := w.hint(rightToken, body).want(t, http.StatusUnprocessableEntity)
			if !strings.Contains(a.problem.Detail, "_model and _id") {
				t.Error(a.problem.Detail)
			}
		})
	}
	w.hint(rightToken, order(17, "")+strings.Repeat(" ", 16<<10)).want(t, http.StatusRequestEntityTooLarge)
	if n := len(w.kept("")); n > 0 {
		t.Errorf("%d are kept", n)
	}
}

func TestFloodOfHintsIsPutOff(t *testing.T) {
	w := newWorld(t, withToken(hintToken, nil))
	put := 0
	for i := range 520 {
		if w.hint(rightToken, order(i+1, "2026-11-24 11:59:59")).status == http.StatusTooManyRequests {
			put++
		}
	}
	if put != 20 {
		t.Errorf("%d of 520 at once were put off, want the 20 over the burst", put)
	}
}
