// Package bridge takes partners' deliveries: verified, checked, committed to the inbox, answered in
// milliseconds. It knows neither Temporal nor Odoo. A 2xx means that the delivery is on disk.
package bridge

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"waybill/internal/store"
	"waybill/starters/bridge/webhook"
)

// Inbox is where deliveries go.
type Inbox interface {
	Accept(context.Context, store.Delivery) (repeat bool, err error)
	Health(context.Context) error
}

// Source is one partner's way in.
type Source struct {
	Name      string
	Secrets   func() []string // live signing secrets, whsec_...
	PerSecond float64         // deliveries; 0: no limit
	Burst     int
	Limit     int64 // bytes of a body; 0: 256 KiB
}

// Options are what a bridge is made of.
type Options struct {
	Inbox     Inbox
	Sources   []Source
	HintToken func() string // of Odoo's webhook URL; nil or "" closes that way in
	Log       *zap.Logger
	Metrics   prometheus.Registerer
	Now       func() time.Time
}

// Bridge is an http.Handler.
type Bridge struct {
	http.Handler
	o        Options
	sources  map[string]*source
	schema   *schema
	accepted *prometheus.CounterVec
	draining atomic.Bool
}

type source struct {
	Source
	limiter *rate.Limiter
}

// defaultLimit bounds a body: an event is some hundred bytes, a document some hundred KiB.
const defaultLimit = 256 << 10

// HintSource is the name under which Odoo's hints stand in the inbox.
const HintSource = "odoo-hint"

// New makes a bridge.
func New(o Options) (*Bridge, error) {
	s, err := compileSchema()
	if err != nil {
		return nil, err
	}
	b := &Bridge{o: o, schema: s, sources: map[string]*source{}}
	b.accepted = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "waybill_ingest_events_total", Help: "Deliveries by source and outcome."}, []string{"source", "outcome"})
	if o.Metrics != nil {
		if err := o.Metrics.Register(b.accepted); err != nil {
			return nil, err
		}
	}
	for _, src := range o.Sources {
		limit := rate.Inf
		if src.PerSecond > 0 {
			limit = rate.Limit(src.PerSecond)
		}
		if src.Limit == 0 {
			src.Limit = defaultLimit
		}
		b.sources[src.Name] = &source{src, rate.NewLimiter(limit, max(src.Burst, 1))}
	}
	r := chi.NewRouter()
	r.Post("/v1/events/{source}", b.events)
	r.Post("/v1/hints/odoo", b.hint)
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	r.Get("/readyz", b.ready)
	b.Handler = r
	return b, nil
}

// Drain makes the bridge say that it is not ready, so that new deliveries go elsewhere; those under way end.
func (b *Bridge) Drain() { b.draining.Store(true) }

func (b *Bridge) ready(w http.ResponseWriter, r *http.Request) {
	if b.draining.Load() || b.o.Inbox.Health(r.Context()) != nil {
		b.refuse(w, "", problemStore)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// noSource stands for a source that is not configured: it takes as long to refuse, and says as little.
var noSource = &source{Source: Source{Limit: defaultLimit, Secrets: func() []string { return []string{"whsec_d2F5YmlsbA=="} }}, limiter: rate.NewLimiter(rate.Inf, 1)}

func (b *Bridge) events(w http.ResponseWriter, r *http.Request) {
	name := chi.URLParam(r, "source")
	src, known := b.sources[name]
	if !known {
		src, name = noSource, "unknown"
	}
	switch r.Header.Get("Content-Type") {
	case "application/cloudevents+json", "application/json", "application/cloudevents+json; charset=utf-8", "application/json; charset=utf-8":
	default:
		b.refuse(w, name, problemMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, src.Limit))
	if err != nil {
		b.refuse(w, name, problemTooLarge.with("the body is over "+strconv.FormatInt(src.Limit, 10)+" bytes: send documents smaller, or fewer at a time"))
		return
	}
	which, err := webhook.Verify(r.Header, body, b.o.Now(), src.Secrets())
	if err != nil || !known {
		b.refuse(w, name, problemUnsigned.with(why(err)))
		return
	}
	if !src.limiter.AllowN(b.o.Now(), 1) {
		b.refuse(w, name, problemThrottled)
		return
	}
	b.take(w, r, src, body, which)
}

func why(err error) string {
	if err == nil {
		return webhook.ErrForged.Error()
	}
	return err.Error()
}

// take commits an authentic delivery. One that cannot be used is kept too, with the reason.
func (b *Bridge) take(w http.ResponseWriter, r *http.Request, src *source, body []byte, which int) {
	d := store.Delivery{
		Source: src.Name, ID: r.Header.Get(webhook.IDHeader), Body: body, ReceivedAt: b.o.Now(), State: store.Pending,
		Headers:    map[string]string{"content-type": r.Header.Get("Content-Type"), "user-agent": r.UserAgent()},
		VerifiedBy: "standard-webhooks secret " + strconv.Itoa(which+1),
	}
	fault := b.schema.check(d, b.o.Now())
	if fault != nil {
		d.State, d.Reason = store.Dead, fault.Error()
	}
	repeat, err := b.o.Inbox.Accept(r.Context(), d)
	switch {
	case errors.Is(err, store.ErrConflict):
		b.o.Log.Warn("delivery_conflict", zap.String("source", src.Name), zap.String("id", d.ID))
		b.refuse(w, src.Name, problemConflict)
	case err != nil:
		b.o.Log.Error("inbox_down", zap.String("source", src.Name), zap.Error(err))
		b.refuse(w, src.Name, problemStore)
	case fault != nil:
		b.refuse(w, src.Name, problemUnusable.with(fault.Error()+". It is kept; send a corrected one under a new id"))
	default:
		b.accept(w, src.Name, d.ID, repeat)
	}
}

func (b *Bridge) accept(w http.ResponseWriter, source, id string, repeat bool) {
	outcome := "accepted"
	if repeat {
		outcome = "repeat"
	}
	b.accepted.WithLabelValues(source, outcome).Inc()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(map[string]any{"id": id, "repeat": repeat}) // the sender has gone if this fails
}

// hintLimit bounds Odoo's webhook: it sends ids, not documents.
const hintLimit = 16 << 10

// hint takes Odoo's webhook, which nobody signs: it only says where to look.
func (b *Bridge) hint(w http.ResponseWriter, r *http.Request) {
	want := ""
	if b.o.HintToken != nil {
		want = b.o.HintToken()
	}
	got, expected := sha256.Sum256([]byte(r.URL.Query().Get("token"))), sha256.Sum256([]byte(want))
	if want == "" || subtle.ConstantTimeCompare(got[:], expected[:]) != 1 {
		b.refuse(w, HintSource, problemUnsigned.with("the token in the URL is not the configured one"))
		return
	}
	var h struct {
		Model string `json:"_model"`
		ID    int64  `json:"_id"`
		Write string `json:"write_date"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, hintLimit))
	if err != nil || json.Unmarshal(body, &h) != nil || h.ID <= 0 {
		b.refuse(w, HintSource, problemUnusable.with("want Odoo's webhook body with _model and _id"))
		return
	}
	kept, err := json.Marshal(map[string]any{"model": h.Model, "id": h.ID})
	if err != nil {
		b.refuse(w, HintSource, problemUnusable)
		return
	}
	d := store.Delivery{Source: HintSource, ID: h.Model + "/" + strconv.FormatInt(h.ID, 10) + "/" + h.Write, Body: kept, ReceivedAt: b.o.Now(), State: store.Pending, VerifiedBy: "url token"}
	repeat, err := b.o.Inbox.Accept(r.Context(), d)
	if err != nil {
		b.refuse(w, HintSource, problemStore)
		return
	}
	b.accept(w, HintSource, d.ID, repeat)
}

// Server has the time limits of a public listener: a sender that dawdles is cut off before it holds a
// connection for long, and one that waits for an answer has it within Odoo's and the carriers' patience.
func Server(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr: addr, Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 15 * time.Second,
		IdleTimeout: 60 * time.Second, MaxHeaderBytes: 16 << 10,
	}
}
