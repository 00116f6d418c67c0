package bridge_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"waybill/internal/store"
	"waybill/starters/bridge"
	"waybill/starters/bridge/authn"
	"waybill/starters/bridge/bridgetest"
)

func TestSourceOverItsRateWaitsAndTheOthersDoNot(t *testing.T) {
	w := newWorld(t, func(o *bridge.Options) { o.Sources[0].PerSecond, o.Sources[0].Burst = 0.5, 3 }, withSource(bridge.Source{Name: "tms"}, bridgetest.SecretOf("t")))
	for i := range 3 {
		w.send(letter{id: fmt.Sprint("evt-", i)}).want(t, http.StatusAccepted)
	}
	a := w.send(letter{id: "evt-3"}).want(t, http.StatusTooManyRequests)
	if got := a.header.Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After is %q, want the 2 s in which half a delivery a second makes one", got)
	}
	for i := range 10 {
		w.send(letter{source: "tms", secret: bridgetest.SecretOf("t"), id: fmt.Sprint("tms-", i)}).want(t, http.StatusAccepted)
	}
	w.clock.move(2 * time.Second)
	w.send(letter{id: "evt-3"}).want(t, http.StatusAccepted)
	if n := len(w.kept("")); n != 14 {
		t.Errorf("%d are kept, want 14: one that was put off is not", n)
	}
}

func TestStrangerCannotUseUpTheRateOfASource(t *testing.T) {
	w := newWorld(t, func(o *bridge.Options) { o.Sources[0].PerSecond, o.Sources[0].Burst = 1, 1 })
	for i := range 20 {
		w.send(letter{id: fmt.Sprint("evt-", i), secret: bridgetest.SecretOf("x")}).want(t, http.StatusUnauthorized)
	}
	w.send(letter{}).want(t, http.StatusAccepted)
}

func TestInboxThatIsDownPutsDeliveriesOff(t *testing.T) {
	w := newWorld(t)
	if err := w.inbox.Close(); err != nil {
		t.Fatal(err)
	}
	a := w.send(letter{}).want(t, http.StatusServiceUnavailable)
	if n, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || n < 1 {
		t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
	get(t, w.server.URL+"/readyz").want(t, http.StatusServiceUnavailable)
	get(t, w.server.URL+"/healthz").want(t, http.StatusNoContent)
	if len(w.logged("inbox_down")) == 0 {
		t.Error("nobody is told")
	}
}

// lock holds the inbox's file for writing, as a process that hangs would.
func lock(t *testing.T, file string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() { _ = db.Close() })
	t.Cleanup(release)
	return release
}

func TestInboxThatHangsIsGivenUpInTimeAndTakesTheRepeat(t *testing.T) {
	w := newWorld(t, func(o *bridge.Options) { o.Patience = 300 * time.Millisecond })
	release := lock(t, w.file)
	began := time.Now()
	w.send(letter{}).want(t, http.StatusServiceUnavailable)
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("answered after %s", took)
	}
	release()
	bridgetest.Until(t, "the repeat is taken", func() bool { return w.send(letter{}).status == http.StatusAccepted })
	if n := len(w.kept("")); n != 1 {
		t.Errorf("%d are kept, want 1", n)
	}
}

func TestReadinessDoesNotLoadTheInbox(t *testing.T) {
	var asked atomic.Int64
	w := newWorld(t, func(o *bridge.Options) { o.Inbox = &counting{Inbox: o.Inbox, asked: &asked} })
	for range 50 {
		get(t, w.server.URL+"/readyz").want(t, http.StatusNoContent)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("50 probes in a second asked the inbox %d times", n)
	}
	w.clock.move(time.Second)
	get(t, w.server.URL+"/readyz").want(t, http.StatusNoContent)
	if n := asked.Load(); n != 2 {
		t.Errorf("a second later it was asked %d times in all, want 2", n)
	}
}

// counting counts how often the inbox is asked for its health.
type counting struct {
	bridge.Inbox
	asked *atomic.Int64
}

func (c *counting) Health(ctx context.Context) error { c.asked.Add(1); return c.Inbox.Health(ctx) }

func TestSecretThatCannotBeReadPutsOffAndIsNamed(t *testing.T) {
	w := newWorld(t)
	w.carrier.set(errUnreadable)
	for i := range 5 {
		a := w.send(letter{id: fmt.Sprint("evt-", i)}).want(t, http.StatusServiceUnavailable)
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	said := w.logged("secrets_unreadable")
	if len(said) != 1 || !strings.Contains(fmt.Sprint(said[0].ContextMap()), "secrets[0]") {
		t.Errorf("told %d times: %v; want once, with the place", len(said), said)
	}
	if got := w.metric("waybill_ingest_keys_unreadable", "source=carrier"); got != 1 {
		t.Errorf("the metric says %v", got)
	}
	w.send(letter{at: w.clock.now().Add(-time.Hour)}).want(t, http.StatusUnauthorized) // what no secret could help
	w.carrier.set(nil, carrierSecret)
	w.send(letter{id: "evt-0"}).want(t, http.StatusAccepted)
	if got := w.metric("waybill_ingest_keys_unreadable", "source=carrier"); got != 0 || len(w.logged("secrets_readable")) != 1 {
		t.Errorf("it is not told that the secret can be read again; the metric says %v", got)
	}
}

func TestSecretThatCanBeReadStillVerifiesBesideOneThatCannot(t *testing.T) {
	w := newWorld(t)
	w.carrier.set(errUnreadable, carrierSecret)
	w.send(letter{}).want(t, http.StatusAccepted)
	w.send(letter{id: "evt-2", secret: bridgetest.SecretOf("n")}).want(t, http.StatusServiceUnavailable) // it may be signed with the other
}

func TestSecretsAreTriedAtTheStart(t *testing.T) {
	w := newWorld(t)
	w.carrier.set(errUnreadable)
	w.bridge.CheckKeys()
	if n := len(w.logged("secrets_unreadable")); n != 1 {
		t.Errorf("told %d times, want once", n)
	}
}

// rotating is a source whose secret is changed.
type rotating struct {
	*world
	source string
	ring   *ring
	signed func(id, secret string) *http.Request // a delivery as it signs them
}

// rotatingKinds are sources that prove themselves in different ways.
func rotatingKinds() map[string]func(*testing.T) rotating {
	return map[string]func(*testing.T) rotating{
		"Standard Webhooks": func(t *testing.T) rotating {
			w := newWorld(t)
			return rotating{w, "carrier", w.carrier, func(id, secret string) *http.Request { return w.request(letter{id: id, secret: secret}) }}
		},
		"HMAC of a connector": func(t *testing.T) rotating {
			proof, r := easyPostProof(t), &ring{}
			w := newWorld(t, func(o *bridge.Options) {
				o.Sources = append(o.Sources, bridge.Source{Name: "parcels", Manner: func() bridge.Manner { return bridge.Manner{Proof: proof, Secrets: r.texts, Foreign: true} }})
			})
			return rotating{w, "parcels", r, w.byEasyPost}
		},
	}
}

func easyPostProof(t *testing.T) *authn.Verifier {
	t.Helper()
	profile, err := authn.Named("easypost")
	if err != nil {
		t.Fatal(err)
	}
	v, err := authn.New(profile)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// byEasyPost is a delivery to parcels as EasyPost signs it.
func (w *world) byEasyPost(id, secret string) *http.Request {
	body := fmt.Sprintf(`{"id":%q,"object":"Event","description":"tracker.updated"}`, id)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.server.URL+"/v1/events/parcels", strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Hmac-Signature", "hmac-sha256-hex="+hex.EncodeToString(mac.Sum(nil)))
	return req
}

// TestRotationUnderLoadRejectsNone changes old -> old and new -> new while senders, who learn of the new secret in
// between, send as fast as they can, which is more than any partner does.
func TestRotationUnderLoadRejectsNone(t *testing.T) {
	for name, kind := range rotatingKinds() {
		t.Run(name, func(t *testing.T) { rotate(t, kind(t)) })
	}
}

func rotate(t *testing.T, w rotating) {
	const least = 200 // deliveries a second
	old, next := bridgetest.SecretOf("o"), bridgetest.SecretOf("n")
	w.ring.set(nil, old)
	l := w.load(old)
	l.more(t)
	w.ring.set(nil, old, next)
	l.more(t)
	l.secret.Store(next)
	bridgetest.Until(t, "no use of the old secret", func() bool {
		was := w.metric("waybill_ingest_key_uses_total", "source="+w.source, "key=1")
		l.more(t)
		return w.metric("waybill_ingest_key_uses_total", "source="+w.source, "key=1") == was || len(l.faults) > 0
	})
	w.ring.set(nil, next)
	l.more(t)
	rate := l.end()
	for f := range l.faults {
		t.Error("rejected:", f)
	}
	if n := len(w.kept(store.Pending)); int64(n) != l.sent.Load() {
		t.Errorf("%d were accepted, %d are kept", l.sent.Load(), n)
	}
	if t.Logf("%d deliveries, %.0f a second", l.sent.Load(), rate); rate < least {
		t.Errorf("%.0f deliveries a second: under %d it was no load", rate, least)
	}
	w.do(w.signed("evt-old", old)).want(t, http.StatusUnauthorized)
}

// senders send as fast as answers come, until one is refused.
type senders struct {
	secret atomic.Value // a string, with which the next are signed
	sent   atomic.Int64 // and accepted
	faults chan string
	end    func() (perSecond float64)
}

func (w rotating) load(secret string) *senders {
	s := &senders{faults: make(chan string, 100)}
	s.secret.Store(secret)
	ctx, stop := context.WithCancel(w.t.Context())
	var wg sync.WaitGroup
	began := time.Now()
	for sender := range 8 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				a, err := try(w.signed(fmt.Sprintf("evt-%d-%d", sender, n), s.secret.Load().(string)))
				if err != nil || a.status != http.StatusAccepted {
					s.faults <- fmt.Sprint(a.status, a.body, err)
					return
				}
				s.sent.Add(1)
			}
		})
	}
	s.end = func() float64 {
		stop()
		wg.Wait()
		close(s.faults)
		return float64(s.sent.Load()) / time.Since(began).Seconds()
	}
	return s
}

// more waits until some hundred more have been accepted.
func (s *senders) more(t *testing.T) {
	t.Helper()
	const enough = 400
	from := s.sent.Load()
	bridgetest.Until(t, fmt.Sprint(enough, " more deliveries"), func() bool { return s.sent.Load() >= from+enough || len(s.faults) > 0 })
}

// TestRefusalTakesAsLongForASourceThatIsNotThere measures the handler alone, on a body whose signature takes far
// longer to compute than everything else. It compares the shortest of as many runs as it takes to be rid of the
// machine's noise: were work left out, no number of runs would hide it.
func TestRefusalTakesAsLongForASourceThatIsNotThere(t *testing.T) {
	w := newWorld(t, withSource(bridge.Source{Name: "scans", Limit: bridge.DocumentLimit}, bridgetest.SecretOf("s"), bridgetest.SecretOf("s2")))
	shortest := map[string]time.Duration{"carrier": time.Hour, "scans": time.Hour, "nobody": time.Hour}
	alike := func(a, b time.Duration) bool { return a < b*13/10 && b < a*13/10 }
	for range 200 {
		for source := range shortest {
			req := w.request(letter{source: source, secret: bridgetest.SecretOf("x"), body: strings.Repeat(" ", 1<<20)})
			rec := httptest.NewRecorder()
			began := time.Now()
			w.bridge.ServeHTTP(rec, req)
			shortest[source] = min(shortest[source], time.Since(began))
			if rec.Code != http.StatusUnauthorized {
				t.Fatal(rec.Code)
			}
		}
		if alike(shortest["nobody"], shortest["carrier"]) && alike(shortest["nobody"], shortest["scans"]) {
			return
		}
	}
	t.Errorf("refused in %v: carrier has one secret, scans has two", shortest)
}

func TestLargeBodiesAreHeldAFewAtATime(t *testing.T) {
	w := newWorld(t, withSource(bridge.Source{Name: "scans", Limit: bridge.DocumentLimit}, bridgetest.SecretOf("s")))
	w.server = w.listen(func(s *http.Server) { s.ReadTimeout = time.Minute })
	large := letter{source: "scans", secret: bridgetest.SecretOf("s"), body: proof(200 << 10)}
	req := w.request(large)
	bridgetest.Until(t, "large bodies are put off", func() bool {
		half(t, dial(t, w.server.URL), req, large.body, 1000)
		a := w.send(large)
		return a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") == "1"
	})
	w.send(letter{}).want(t, http.StatusAccepted) // events go on
}

func TestHandlerThatFailsAnswers500AndNamesTheRequest(t *testing.T) {
	w := newWorld(t, func(o *bridge.Options) { o.Inbox = broken{o.Inbox} })
	a := w.send(letter{}).want(t, http.StatusInternalServerError)
	said := w.logged("panic")
	if len(said) != 1 || !strings.HasSuffix(a.problem.Instance, said[0].ContextMap()["request"].(string)) {
		t.Errorf("the log and the answer %q do not meet: %v", a.problem.Instance, said)
	}
	if got := w.metric("waybill_ingest_events_total", "source=carrier", "outcome=500"); got != 1 {
		t.Errorf("counted %v", got)
	}
}

// broken is an inbox whose code has a fault.
type broken struct{ bridge.Inbox }

func (broken) Accept(context.Context, store.Delivery) (bool, error) {
	panic(errors.New("a fault of ours"))
}

func TestSenderWhoHangsUpAfterSendingHasDelivered(t *testing.T) {
	w := newWorld(t, func(o *bridge.Options) { o.Patience = 20 * time.Second })
	release := lock(t, w.file)
	l := letter{body: delivered("acme-1042")}
	c := dial(t, w.server.URL)
	half(t, c, w.request(l), l.body, len(l.body))
	bridgetest.Until(t, "the delivery is being taken", func() bool { return w.metric("waybill_ingest_key_uses_total", "source=carrier") == 1 })
	_ = c.Close()
	release()
	bridgetest.Until(t, "the delivery is kept", func() bool { return len(w.kept(store.Pending)) == 1 })
	if a := w.send(l).want(t, http.StatusAccepted); !a.receipt.Repeat {
		t.Error("the repeat is not known")
	}
}

// BenchmarkDelivery measures signed deliveries over HTTP into the inbox, from 16 senders at a time.
func BenchmarkDelivery(b *testing.B) {
	w := newWorld(b)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	var n atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Do(w.request(letter{id: fmt.Sprint("evt-", n.Add(1))}))
			if err != nil {
				b.Error(err)
				return
			}
			if a, err := read(resp); err != nil || a.status != http.StatusAccepted {
				b.Error(a.status, err)
			}
		}
	})
}

// Server's limits are what a public listener needs; the tests of each shorten them.
func TestServerHasEveryLimit(t *testing.T) {
	s := bridge.Server(http.NotFoundHandler(), zap.NewNop())
	for name, d := range map[string]time.Duration{"ReadHeaderTimeout": s.ReadHeaderTimeout, "ReadTimeout": s.ReadTimeout, "WriteTimeout": s.WriteTimeout, "IdleTimeout": s.IdleTimeout} {
		if d <= 0 || d > time.Minute {
			t.Errorf("%s is %s", name, d)
		}
	}
	if s.MaxHeaderBytes != 16<<10 {
		t.Errorf("MaxHeaderBytes is %d", s.MaxHeaderBytes)
	}
}
