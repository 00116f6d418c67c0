// Package puller asks carriers, and the TMS, about the shipments of which they have long told nothing, so that a shipment
// finishes with every webhook off. What they answer goes into the inbox as a delivery of their source: everything after that is
// the one way. Any number of pullers may run beside each other.
package puller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"waybill/activities/carrier"
	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Target is a source that is asked.
type Target struct {
	Source   string
	Client   *carrier.Client
	Guard    Guard                 // while the provider is down nobody is asked
	Number   freight.ReferenceKind // it is asked by
	Carriers []freight.CarrierCode // whose numbers; none: anyone's
	After    time.Duration         // since the source last told of a shipment
	Silent   time.Duration         // instead of After, while the source is silent itself
	Until    time.Duration         // after the promise, or after the number became known where nothing was promised
	Pace     Pace                  // of all calls by all pullers together
	// PerSecond is the rate of Pace; 0: it has none.
	PerSecond float64
	Charges   bool // it tells of charges too
}

// Pace lets a call wait for its turn.
type Pace interface{ Wait(context.Context) error }

// Guard says whether a provider may be called, and hears how it went.
type Guard interface {
	Passes() bool
	Begin(context.Context) (ended func(error))
}

// Connectors says how each source is read.
type Connectors interface {
	// Connector is the one that reads a source now. An error says why there is none.
	Connector(source string) (connectors.Connector, error)
}

// Puller asks.
type Puller struct {
	Store      *store.Store
	Targets    []Target
	Tenders    []Tenders
	Connectors Connectors
	Silent     func(source string) bool // it sends nothing by itself; nil: none does
	Log        *zap.Logger
	Metrics    *Metrics // nil: none
	Now        func() time.Time
}

// Metrics are the figures of a puller.
type Metrics struct{ pulls *prometheus.CounterVec }

// NewMetrics registers waybill_pulls_total by source and outcome: taken (an answer went into the inbox), repeat (it was
// there), unknown (the provider does not know the number), unanswered (the TMS has no answer yet), unreadable, failed, given_up.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{prometheus.NewCounterVec(prometheus.CounterOpts{Name: "waybill_pulls_total", Help: "Numbers that a carrier was asked about, by what became of it."}, []string{"source", "outcome"})}
	if err := r.Register(m.pulls); err != nil {
		return nil, fmt.Errorf("puller metrics: %w", err)
	}
	return m, nil
}

const (
	// idle is between looks when there was nothing to ask.
	idle = 30 * time.Second
	// hurry is the same, at least.
	hurry = 100 * time.Millisecond
	// batch bounds what is taken in one look.
	batch = 50
	// leaseSpan is how long what was taken may take to be asked: over the timeout of a call, and what a rate adds to it.
	leaseSpan = 5 * time.Minute
	// paced is how much is taken at a rate: others may have the turns before.
	paced = 20 * time.Second
	// atOnce is how many calls to a provider are under way at a time.
	atOnce = 2
	// mostBytes bounds an answer, as that of a webhook.
	mostBytes = 5 << 20
)

// Run asks until the context ends. A slow provider keeps no other waiting.
func (p *Puller) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, t := range p.Targets {
		g.Go(func() error {
			p.serve(ctx, t.Source, min(t.After, t.Silent), func() (int, error) { return p.Once(ctx, t) })
			return nil
		})
	}
	for _, t := range p.Tenders {
		g.Go(func() error {
			p.serve(ctx, t.Source, t.After, func() (int, error) { return p.Ask(ctx, t) })
			return nil
		})
	}
	return g.Wait()
}

// serve looks until the context ends, at least twice in the time after which there is something to ask.
func (p *Puller) serve(ctx context.Context, source string, after time.Duration, look func() (asked int, err error)) {
	rest := max(min(idle, after/2), hurry)
	for ctx.Err() == nil {
		asked, err := look()
		if err != nil && ctx.Err() == nil {
			p.Log.Error("puller_failed", zap.String("source", source), zap.Error(err))
		}
		if asked > 0 && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(rest/2 + rand.N(rest/2)): // pullers of several workers do not look in step
		}
	}
}

// Once asks about the numbers that are due, and reports how many were.
func (p *Puller) Once(ctx context.Context, t Target) (asked int, err error) {
	if !t.Guard.Passes() {
		return 0, nil
	}
	after := t.After
	if p.Silent != nil && p.Silent(t.Source) {
		after = min(after, t.Silent)
	}
	ps, err := p.Store.TakePulls(ctx, store.PullQuery{
		Source: t.Source, Kind: t.Number, Carriers: t.Carriers, Silent: p.Now().Add(-after), Charges: t.Charges, Span: leaseSpan, Limit: within(t.PerSecond),
	})
	if err != nil {
		return 0, err
	}
	faults := make([]error, len(ps))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, v := range ps {
		g.Go(func() error { faults[i] = p.ask(ctx, t, v, after); return nil })
	}
	_ = g.Wait() // the faults are in faults
	return len(ps), errors.Join(faults...)
}

// within is how many can be asked about in the time that a rate may use up.
func within(perSecond float64) int {
	if perSecond == 0 {
		return batch
	}
	return max(1, min(batch, int(perSecond*paced.Seconds())))
}

// ask asks about one number, then notes when to ask again. A crash between the two asks again when the lease is over,
// and the inbox knows the answer.
func (p *Puller) ask(ctx context.Context, t Target, v store.Pull, after time.Duration) error {
	if over(v, t.Until, p.Now()) {
		return p.again(ctx, v, "given_up", longest)
	}
	if err := t.Pace.Wait(ctx); err != nil {
		return err // what was not asked is taken again when its lease is over
	}
	if !t.Guard.Passes() {
		return p.Store.PullAgain(ctx, v, p.Now())
	}
	ended := t.Guard.Begin(ctx)
	body, err := t.Client.Pull(ctx, v.Carrier, v.Number)
	ended(err)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return p.refused(ctx, v, after, err)
	}
	outcome, err := p.file(ctx, t, v, body)
	if err != nil {
		return err
	}
	return p.again(ctx, v, outcome, backOff(v.Heard, p.Now(), after))
}

// over reports whether a number is not worth asking about any more: it is not for ever that a shipment comes late.
func over(v store.Pull, until time.Duration, now time.Time) bool {
	from := v.Promised
	if v.Heard.After(from) {
		from = v.Heard
	}
	return now.After(from.Add(until))
}

// longest bounds how long a number is left alone.
const longest = 24 * time.Hour

// backOff is how long a number is left alone about which nothing new was told: half as long as it has been silent, so
// that a dead one is asked about ever less.
func backOff(heard, now time.Time, after time.Duration) time.Duration {
	return max(min(now.Sub(heard)/2, longest), after)
}

// soon is how long a number is left alone whose call failed: a twentieth of its silence, from a minute to an hour.
func soon(heard, now time.Time) time.Duration {
	return max(min(now.Sub(heard)/20, time.Hour), time.Minute)
}

// refused notes that a call gave nothing.
func (p *Puller) refused(ctx context.Context, v store.Pull, after time.Duration, err error) error {
	fields := []zap.Field{zap.String("source", v.Source), zap.String("number", v.Number), zap.String("reason", protocol.Words(err))}
	if protocol.FaultOf(err) == protocol.Rejected {
		p.Log.Info("pull_unknown", fields...)
		return p.again(ctx, v, unknown, backOff(v.Heard, p.Now(), after))
	}
	p.Log.Warn("pull_failed", fields...)
	wait := soon(v.Heard, p.Now())
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		wait = max(wait, app.NextRetryDelay()) // at most 15 min, as every partner's wish
	}
	return p.again(ctx, v, "failed", wait)
}

func (p *Puller) again(ctx context.Context, v store.Pull, outcome string, wait time.Duration) error {
	if p.Metrics != nil {
		p.Metrics.pulls.WithLabelValues(v.Source, outcome).Inc()
	}
	return p.Store.PullAgain(ctx, v, p.Now().Add(wait))
}

// file puts an answer into the inbox, unless it tells nothing of the number: that it can be asked for again at any time,
// so nothing is lost. The same answer again is the same delivery.
func (p *Puller) file(ctx context.Context, t Target, v store.Pull, body []byte) (outcome string, err error) {
	parts, err := p.parts(t.Source, body)
	if err != nil {
		p.Log.Info("pull_unreadable", zap.String("source", t.Source), zap.String("number", v.Number), zap.Error(err))
		return unreadable, nil
	}
	outcome = unknown
	for _, part := range parts {
		one, err := p.filePart(ctx, t, v, part)
		if err != nil {
			return "", err
		}
		outcome = outcomes[max(slices.Index(outcomes, outcome), slices.Index(outcomes, one))]
	}
	return outcome, nil
}

// What became of an answer, the most telling last: an answer of several parts is counted once.
const (
	unknown    = "unknown"
	unreadable = "unreadable"
	repeated   = "repeat"
	taken      = "taken"
)

var outcomes = []string{unknown, unreadable, repeated, taken}

// parts are the deliveries that an answer is: all of it, as the source's connector reads it, or where the source sends our
// own events, each event of a list of them.
func (p *Puller) parts(source string, body []byte) (parts []json.RawMessage, err error) {
	if len(body) > mostBytes {
		return nil, fmt.Errorf("the answer has %d bytes, more than %d", len(body), mostBytes)
	}
	c, err := p.Connectors.Connector(source)
	if err != nil {
		return nil, err
	}
	if _, ours := c.(connectors.Canonical); !ours {
		return []json.RawMessage{body}, nil
	}
	if err := json.Unmarshal(body, &parts); err != nil || len(parts) > connectors.MaxReadings {
		return nil, fmt.Errorf("the answer is no list of at most %d events", connectors.MaxReadings)
	}
	return parts, nil
}

func (p *Puller) filePart(ctx context.Context, t Target, v store.Pull, body []byte) (outcome string, err error) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%s", v.Carrier, v.Number, body))
	d := pulled(t.Source, hex.EncodeToString(sum[:]), body, p.Now())
	switch about, err := p.about(d, t.Number, v.Number); {
	case err != nil:
		p.Log.Info("pull_unreadable", zap.String("source", t.Source), zap.String("number", v.Number), zap.Error(err))
		return unreadable, nil
	case !about:
		p.Log.Warn("pull_unreadable", zap.String("source", t.Source), zap.String("number", v.Number), zap.String("reason", "the answer is about another number"))
		return unreadable, nil
	}
	return p.accept(ctx, d)
}

// pulled is an answer as a delivery of its source.
func pulled(source, hash string, body []byte, now time.Time) store.Delivery {
	return store.Delivery{Source: source, ID: "pull-" + hash, Body: body, Headers: map[string]string{"content-type": "application/json"}, VerifiedBy: store.Pulled, ReceivedAt: now}
}

// accept puts a delivery into the inbox. One that came before under its id is a repeat, whatever else it says of when it
// was asked for.
func (p *Puller) accept(ctx context.Context, d store.Delivery) (outcome string, err error) {
	repeat, err := p.Store.Accept(ctx, d)
	switch {
	case errors.Is(err, store.ErrConflict):
		return repeated, nil
	case err != nil:
		return "", err
	case repeat:
		return repeated, nil
	}
	return taken, nil
}

// about reports whether a delivery tells of a number, and of no other of its kind. What a story would not take is an error:
// no bridge has looked at it.
func (p *Puller) about(d store.Delivery, kind freight.ReferenceKind, number string) (bool, error) {
	c, err := p.Connectors.Connector(d.Source)
	if err != nil {
		return false, err
	}
	in, err := connectors.Read(c, d)
	if err != nil {
		return false, err
	}
	for _, i := range in {
		i.Scan.Number = 1 // it has its own once it is filed
		if err := i.Scan.Check(); err != nil {
			return false, err
		}
	}
	strange := slices.ContainsFunc(in, func(i store.Incoming) bool {
		return !slices.ContainsFunc(i.References, func(r freight.Reference) bool { return r.Kind == kind && r.Value == number })
	})
	return len(in) > 0 && !strange, nil
}
