package puller_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"waybill/config"
	"waybill/internal/store"
	"waybill/workers/puller"
)

// sends lets the source send a webhook.
func (w *world) sends(id string) {
	w.Helper()
	if _, err := w.store.Accept(w.Context(), store.Delivery{Source: "parcels", ID: id, Body: []byte("{}"), VerifiedBy: "secret 1", ReceivedAt: w.clock.Now()}); err != nil {
		w.Fatal(err)
	}
}

func TestSilentSourceIsSaidWithWhomToAskAndItsShipmentsArePulledSooner(t *testing.T) {
	each(t, func(w *world) {
		sources := []config.Source{{Name: "parcels", Owner: "transport team", Contact: "transport@example.com", Connector: "easypost@1"}, {Name: "never", Owner: "x"}}
		gauge, err := puller.NewSilence(prometheus.NewRegistry())
		if err != nil {
			w.Fatal(err)
		}
		ear := &puller.Ear{Store: w.store, Sources: sources, Floor: 6 * time.Hour, Log: w.log, Metrics: gauge, Now: w.clock.Now}
		listen := func(silent bool, seconds float64) {
			w.Helper()
			if err := ear.Once(w.Context()); err != nil {
				w.Fatal(err)
			}
			if got := testutil.ToFloat64(gauge.WithLabelValues("parcels")); ear.Silent("parcels") != silent || got != seconds {
				w.Errorf("silent %t for %v seconds, want %t and %v", ear.Silent("parcels"), got, silent, seconds)
			}
			said := puller.Silences(w.Context(), w.store, sources, 6*time.Hour, w.clock.Now())
			if (len(said) == 1) != silent || silent && !(strings.Contains(said[0], "transport team, transport@example.com") && strings.Contains(said[0], "disabled_at")) {
				w.Errorf("the doctor says %q", said)
			}
		}
		w.sails("acme-1", "P1", time.Time{})
		w.sends("1")
		w.clock.Pass(5 * time.Hour)
		listen(false, 0)
		p := w.puller()
		p.Silent = ear.Silent
		if n, err := p.Once(w.Context(), w.target()); n != 0 || err != nil {
			w.Errorf("before the source was silent %d numbers were asked about, %v", n, err)
		}
		w.clock.Pass(2 * time.Hour)
		listen(true, 7*3600)
		listen(true, 7*3600)
		if n, err := p.Once(w.Context(), w.target()); n != 1 || err != nil {
			w.Errorf("of the silent source %d numbers were asked about, %v", n, err)
		}
		w.sends("2")
		w.clock.Pass(time.Minute)
		listen(false, 0)
		if fell, rose := w.logs.FilterMessage("source_silent").Len(), w.logs.FilterMessage("source_heard_again").Len(); fell != 1 || rose != 1 {
			w.Errorf("said %d times that it is silent, %d that it is heard again", fell, rose)
		}
	})
}

func TestSourceThatWasNeverHeardIsSaidUntilSomethingComesOfIt(t *testing.T) {
	each(t, func(w *world) {
		sources := []config.Source{{Name: "parcels", Owner: "transport team", Contact: "transport@example.com"}, {Name: "other", Owner: "x"}}
		said := puller.Unheard(w.Context(), w.store, sources)
		if len(said) != 2 || !strings.Contains(said[0], "/v1/events/parcels") || !strings.Contains(said[0], "transport team, transport@example.com") || !strings.Contains(said[1], "source other") {
			w.Errorf("the doctor says %q", said)
		}
		w.sends("1")
		if said := puller.Unheard(w.Context(), w.store, sources); len(said) != 1 || !strings.Contains(said[0], "source other") {
			w.Errorf("the doctor says %q", said)
		}
	})
}
