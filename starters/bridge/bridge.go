// Package bridge takes partners' deliveries: verified, checked, committed to the inbox, answered in
// milliseconds. It knows neither Temporal nor Odoo. A 2xx means that the delivery is committed.
package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	Name string // in the URL, in the inbox and as a label: 1 to 40 lower-case letters, digits and '-'
	// Keys are those live now, asked for anew with each delivery so that they can be rotated under load, with what
	// is wrong with those that cannot be read. They may be live and faulty at once: the live ones still verify.
	Keys      func() ([]webhook.Key, error)
	PerSecond float64 // authentic deliveries; 0: no limit
	Burst     int     // how many may come at once; 0: 1
	Limit     int64   // bytes of a body; 0: 256 KiB
	// Manner is how a partner with ways of its own speaks, as it is at each delivery; nil: by Keys, and our own events.
	Manner func() Manner
	Types  []string // content types that a source with a manner may send; nil: JSONTypes
}

// Options are what a bridge is made of.
type Options struct {
	Inbox     Inbox
	Sources   []Source
	HintToken func() (string, error) // of Odoo's webhook URL; nil closes that way in
	Log       *zap.Logger
	Metrics   prometheus.Registerer // nil: none
	Now       func() time.Time
	Proxies   []netip.Prefix // addresses before us that are ours: what they say of who asks is believed
	Patience  time.Duration  // how long a delivery waits for the inbox before 503; 0: 8 s, under the 10 s senders give
}

// Bridge is an http.Handler.
type Bridge struct {
	o        Options
	router   http.Handler
	sources  map[string]*source
	unknown  *source  // does the work of one that is not configured
	limit    int64    // bytes that are read of any body before it is verified
	types    []string // content types that any body may have before it is verified, beside that of our own events
	large    chan struct{}
	hints    *rate.Limiter
	schema   *schema
	counts   *counts
	health   health
	draining atomic.Bool
}

type source struct {
	Source
	limiter *rate.Limiter
	fault   saidOnce
}

const (
	// DefaultLimit bounds a body: an event is some hundred bytes, 256 KiB hold a carrier invoice of any length.
	DefaultLimit = 256 << 10
	// DocumentLimit bounds a body from a source that sends documents: a scanned POD is some hundred KiB, and one of 3.5 MiB
	// still fits, which is 4.7 MiB in base64.
	DocumentLimit = 5 << 20
	// largeAtATime bounds how many bodies over DefaultLimit are held in memory, whoever sends them: 80 MiB.
	largeAtATime = 16
	// patience is under the 10 seconds after which senders give up.
	patience = 8 * time.Second
)

// The labels of what comes from no source that is configured.
const (
	// HintSource is the name under which Odoo's hints stand in the inbox.
	HintSource = "odoo-hint"
	// unknownSource is the label for deliveries to a source that does not exist.
	unknownSource = "unknown"
)

var sourceForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// New makes a bridge. It neither opens the inbox nor reads a key.
func New(o Options) (*Bridge, error) {
	if o.Patience == 0 {
		o.Patience = patience
	}
	s, err := compileSchema()
	if err != nil {
		return nil, err
	}
	b := &Bridge{o: o, schema: s, limit: DefaultLimit, large: make(chan struct{}, largeAtATime), hints: rate.NewLimiter(hintsPerSecond, hintBurst)}
	if b.counts, err = newCounts(o.Metrics); err != nil {
		return nil, err
	}
	if err := b.addSources(); err != nil {
		return nil, err
	}
	types, err := EventSchemas()
	if err != nil {
		return nil, err
	}
	b.router = b.routes(types)
	return b, nil
}

func (b *Bridge) addSources() error {
	b.sources = map[string]*source{}
	for _, src := range b.o.Sources {
		if !sourceForm.MatchString(src.Name) || src.Name == HintSource || src.Name == unknownSource || b.sources[src.Name] != nil {
			return fmt.Errorf("bridge: source %q: want a name of its own of 1 to 40 lower-case letters, digits and '-', other than %s and %s", src.Name, HintSource, unknownSource)
		}
		limit := rate.Inf
		if src.PerSecond > 0 {
			limit = rate.Limit(src.PerSecond)
		}
		if src.Limit == 0 {
			src.Limit = DefaultLimit
		}
		if src.Manner != nil && src.Types == nil {
			src.Types = JSONTypes
		}
		b.limit = max(b.limit, src.Limit)
		b.types = append(b.types, src.Types...)
		b.sources[src.Name] = &source{Source: src, limiter: rate.NewLimiter(limit, max(src.Burst, 1))}
	}
	// A source that is not there reads the keys of one that is, so that it takes as long to refuse, and says as little.
	b.unknown = &source{Source: Source{Name: unknownSource, Keys: func() ([]webhook.Key, error) { return nil, nil }}}
	if i := slices.IndexFunc(b.o.Sources, func(s Source) bool { return s.Keys != nil }); i >= 0 {
		b.unknown.Keys = b.o.Sources[i].Keys
	}
	return nil
}

func (b *Bridge) routes(types []EventSchema) http.Handler {
	r := chi.NewRouter()
	r.Post("/v1/events/{source}", b.events)
	r.Get("/v1/events/{source}", b.ask)
	r.Head("/v1/events/{source}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }) // some look whether anyone is there
	r.Post("/v1/hints/odoo", b.hint)
	r.Get("/v1/schemas/event.json", serveFile("application/schema+json", eventSchema))
	serveTypes(r, types)
	r.Get("/openapi.yaml", serveFile("application/yaml", openAPI))
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	r.Get("/readyz", b.ready)
	r.NotFound(func(w http.ResponseWriter, r *http.Request) { b.refuse(w, r, problemNotFound) })
	return r
}

// Drain makes the bridge say that it is not ready, so that new deliveries go elsewhere; those that come still
// are taken, on connections that close after the answer.
func (b *Bridge) Drain() { b.draining.Store(true) }

// health is what the inbox said last. Anyone may ask whether the bridge is ready; that must not load the inbox.
type health struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

const (
	healthFor    = time.Second
	healthWithin = 2 * time.Second
)

// Ready says why new deliveries should go elsewhere: nil for no reason.
func (b *Bridge) Ready(ctx context.Context) error {
	if b.draining.Load() {
		return errors.New("the bridge is shutting down")
	}
	b.health.mu.Lock()
	defer b.health.mu.Unlock()
	if now := b.o.Now(); now.Sub(b.health.at) >= healthFor {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthWithin)
		defer cancel()
		b.health.at, b.health.err = now, b.o.Inbox.Health(ctx)
	}
	return b.health.err
}

func (b *Bridge) ready(w http.ResponseWriter, r *http.Request) {
	if b.Ready(r.Context()) != nil {
		b.refuse(w, r, problemUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// events takes a delivery. Until it is verified, nothing that is answered depends on whether its source exists.
func (b *Bridge) events(w http.ResponseWriter, r *http.Request) {
	src, known := b.sources[chi.URLParam(r, "source")]
	if !known {
		src = b.unknown
	}
	visitOf(r).source = src.Name
	if detail := mediaFault(r); detail != "" && b.foreignMedia(r, b.types) != "" {
		b.refuse(w, r, problemMediaType.with(detail))
		return
	}
	body, release, refusal := b.read(w, r, b.limit)
	defer release()
	if refusal != nil {
		b.refuse(w, r, *refusal)
		return
	}
	v, refusal := b.verify(r, src, known, body)
	if refusal != nil {
		b.refuse(w, r, *refusal)
		return
	}
	if detail := b.mediaOf(r, src); detail != "" {
		b.refuse(w, r, problemMediaType.with(detail))
		return
	}
	if size := int64(len(body)); size > src.Limit {
		b.refuse(w, r, problemTooLarge.with(tooLarge(src.Limit)))
		return
	}
	if wait := throttled(src.limiter, b.o.Now()); wait > 0 {
		b.refuse(w, r, problemThrottled.after(wait))
		return
	}
	if v.asked != "" {
		visitOf(r).outcome = "asked"
		echo(w, v.asked)
		return
	}
	b.take(w, r, src, body, v)
}

// mediaOf says what is wrong with the form of a verified delivery, for its source.
func (b *Bridge) mediaOf(r *http.Request, src *source) string {
	if src.Manner == nil {
		return mediaFault(r)
	}
	return b.foreignMedia(r, src.Types)
}

// verify says how a delivery is proved to be its source's.
func (b *Bridge) verify(r *http.Request, src *source, known bool, body []byte) (v verified, refusal *problem) {
	if src.Manner != nil {
		v, refusal = b.verifyManner(r, src, src.Manner(), body)
	} else {
		var which int
		which, refusal = b.verifyKeys(r, src, known, body)
		v = verified{by: "standard-webhooks secret " + strconv.Itoa(which+1), key: which + 1, id: r.Header.Get(webhook.IDHeader)}
	}
	if refusal == nil {
		b.counts.keys.WithLabelValues(src.Name, strconv.Itoa(v.key)).Inc()
		visitOf(r).delivery = v.id
	}
	return v, refusal
}

// verifyKeys says with which key a delivery is signed. While a key of the source cannot be read, what no other key
// verifies is put off and not refused: it may be signed with that one.
func (b *Bridge) verifyKeys(r *http.Request, src *source, known bool, body []byte) (which int, refusal *problem) {
	keys, fault := src.Keys()
	if known {
		b.tell(src, fault)
	}
	which, err := webhook.Verify(r.Header, body, b.o.Now(), keys)
	switch {
	case err == nil && known:
		return which, nil
	case known && fault != nil && errors.Is(err, webhook.ErrForged):
		return 0, &problemUnavailable
	case err == nil:
		err = webhook.ErrForged
	}
	p := unsigned(err)
	return 0, &p
}

// CheckKeys reads every source's keys once, so that one that cannot be read shows at the start and not with the
// first delivery. The other sources are served all the same.
func (b *Bridge) CheckKeys() {
	for _, src := range b.sources {
		var fault error
		if src.Manner != nil {
			_, fault = src.Manner().Secrets()
		} else {
			_, fault = src.Keys()
		}
		b.tell(src, fault)
	}
}

// tell reports that keys cannot be read, and that they can be again, each once.
func (b *Bridge) tell(src *source, fault error) {
	text := ""
	if fault != nil {
		text = fault.Error()
	}
	if !src.fault.news(text) {
		return
	}
	if fault == nil {
		b.counts.unreadable.WithLabelValues(src.Name).Set(0)
		b.o.Log.Info("secrets_readable", zap.String("source", src.Name))
		return
	}
	b.counts.unreadable.WithLabelValues(src.Name).Set(1)
	b.o.Log.Error("secrets_unreadable", zap.String("source", src.Name), zap.Error(fault))
}

// throttled draws on a limit; over it, it says how long to wait, and the draw does not count.
func throttled(l *rate.Limiter, now time.Time) time.Duration {
	draw := l.ReserveN(now, 1)
	wait := draw.DelayFrom(now)
	if wait > 0 {
		draw.CancelAt(now)
	}
	return wait
}

// take commits an authentic delivery. One of our own events that cannot be used is kept too, with the reasons, beside
// its id: the id stays free for the corrected one.
func (b *Bridge) take(w http.ResponseWriter, r *http.Request, src *source, body []byte, v verified) {
	d := store.Delivery{
		Source: src.Name, ID: v.id, Body: body, ReceivedAt: b.o.Now(), State: store.Pending, VerifiedBy: v.by,
		Headers: map[string]string{"content-type": cut(r.Header.Get("Content-Type"), 200), "user-agent": cut(r.UserAgent(), 200), "x-request-id": visitOf(r).id},
	}
	if src.Manner == nil {
		d.Headers[webhook.IDHeader] = v.id
		b.commit(w, r, d, b.usable(&d))
		return
	}
	m := src.Manner()
	for _, name := range m.Proof.Kept() {
		d.Headers[strings.ToLower(name)] = cut(r.Header.Get(name), 500)
	}
	visitOf(r).answer, visitOf(r).foreign = m.Proof.Answer(), m.Foreign
	if m.Foreign {
		b.commit(w, r, d, nil)
		return
	}
	b.commit(w, r, d, b.usable(&d))
}

// usable says why a delivery of one of our own events cannot be used, and marks it so.
func (b *Bridge) usable(d *store.Delivery) violations {
	faults := b.schema.check(*d, b.o.Now())
	if faults != nil {
		d.ID, d.State, d.Reason = unusableID(d.ID, d.Body), store.Dead, faults.Error()
	}
	return faults
}

// commit puts a delivery into the inbox, and answers for what became of it.
func (b *Bridge) commit(w http.ResponseWriter, r *http.Request, d store.Delivery, faults violations) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), b.o.Patience) // who has sent all of it may hang up
	defer cancel()
	v := visitOf(r)
	repeat, err := b.o.Inbox.Accept(ctx, d)
	if errors.Is(err, store.ErrConflict) && v.foreign {
		// The partner counts what it sends again under the id of before: both are kept, and what is the same in them is one scan.
		d.ID = unusableID(d.ID, d.Body)
		repeat, err = b.o.Inbox.Accept(ctx, d)
	}
	switch {
	case errors.Is(err, store.ErrConflict):
		b.o.Log.Warn("delivery_conflict", zap.String("source", d.Source), zap.String("delivery", v.delivery))
		b.refuse(w, r, problemConflict)
	case err != nil:
		b.o.Log.Error("inbox_down", zap.String("source", d.Source), zap.String("request", v.id), zap.Error(err))
		b.refuse(w, r, problemUnavailable)
	case faults != nil:
		b.refuse(w, r, problemUnusable.because(faults))
	default:
		b.accept(w, r, v.delivery, repeat)
	}
}

func (b *Bridge) accept(w http.ResponseWriter, r *http.Request, id string, repeat bool) {
	v := visitOf(r)
	v.outcome = "accepted"
	if repeat {
		v.outcome = "repeat"
	}
	if v.answer != 0 {
		answerAs(w, v.answer, repeat)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(receipt{id, repeat}) // the sender has gone if this fails
}

// receipt is the body of a 202.
type receipt struct {
	ID     string `json:"id"`
	Repeat bool   `json:"repeat"` // it was here before
}
