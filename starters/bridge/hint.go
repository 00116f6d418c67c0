package bridge

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"go.uber.org/zap"

	"waybill/internal/store"
)

const (
	// hintLimit bounds the body of Odoo's webhook: it sends ids, not documents.
	hintLimit = 16 << 10
	// hintsPerSecond and hintBurst bound hints: one that is dropped is made up by the next look at Odoo.
	hintsPerSecond = 100
	hintBurst      = 500
)

var (
	modelForm = regexp.MustCompile(`^[a-z][a-z0-9_.]{0,63}$`)
	writeForm = regexp.MustCompile(`^[0-9TZ:. +-]{0,40}$`)
)

// odooHint is the body of Odoo's webhook, as far as it is read.
type odooHint struct {
	Model string `json:"_model"`
	ID    int64  `json:"_id"`
	Write string `json:"write_date"`
}

// hint takes Odoo's webhook, which nobody signs and nobody sends again: it only says where to look.
func (b *Bridge) hint(w http.ResponseWriter, r *http.Request) {
	visitOf(r).source = HintSource
	if refusal := b.admitHint(r); refusal != nil {
		b.refuse(w, r, *refusal)
		return
	}
	body, _, refusal := b.read(w, r, hintLimit)
	if refusal != nil {
		b.refuse(w, r, *refusal)
		return
	}
	var h odooHint
	if json.Unmarshal(body, &h) != nil || h.ID <= 0 || !modelForm.MatchString(h.Model) || !writeForm.MatchString(h.Write) {
		b.refuse(w, r, problemUnusable.with("want Odoo's webhook body with _model and _id, and write_date among the fields of the webhook action"))
		return
	}
	d := h.delivery(b.o.Now())
	visitOf(r).delivery = d.ID
	b.commit(w, r, d, nil)
}

// admitHint compares the token in the URL.
func (b *Bridge) admitHint(r *http.Request) *problem {
	want := ""
	if b.o.HintToken != nil {
		var err error
		if want, err = b.o.HintToken(); err != nil {
			b.o.Log.Error("secrets_unreadable", zap.String("source", HintSource), zap.Error(err))
			return &problemUnavailable
		}
	}
	got, expected := sha256.Sum256([]byte(r.URL.Query().Get("token"))), sha256.Sum256([]byte(want))
	if want == "" || subtle.ConstantTimeCompare(got[:], expected[:]) != 1 {
		p := problemUnsigned.with("the token in the URL is not the configured one")
		return &p
	}
	if wait := throttled(b.hints, b.o.Now()); wait > 0 {
		p := problemThrottled.after(wait)
		return &p
	}
	return nil
}

// delivery is the hint as the inbox keeps it: the record and its state, never what Odoo says about it. Without a
// write_date two changes of one record look alike, so then each hint is news.
func (h odooHint) delivery(now time.Time) store.Delivery {
	state := h.Write
	if state == "" {
		state = now.UTC().Format(time.RFC3339Nano)
	}
	return store.Delivery{
		Source: HintSource, ID: h.Model + "/" + strconv.FormatInt(h.ID, 10) + "/" + state, Body: fmt.Appendf(nil, `{"model":%q,"id":%d}`, h.Model, h.ID),
		ReceivedAt: now, State: store.Pending, VerifiedBy: "url token",
	}
}
