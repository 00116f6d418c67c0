// Package telemetry makes logs and metrics. It has no globals: two processes in one test do not meet.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	tlog "go.temporal.io/sdk/log"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"
)

// Logger makes a logger: level debug to error, format json or console, to standard error.
func Logger(level, format string) (*zap.Logger, error) { return LoggerTo(os.Stderr, level, format) }

// LoggerTo is Logger to somewhere else. It writes no stack: an error says itself what was tried.
func LoggerTo(w io.Writer, level, format string) (*zap.Logger, error) {
	l, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("telemetry: log level: %w", err)
	}
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	if format == "console" {
		encoder = zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig())
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), l), zap.AddCaller()), nil
}

// ForTemporal is the logger as the Temporal SDK takes it.
func ForTemporal(l *zap.Logger) tlog.Logger {
	return tlog.NewStructuredLogger(slog.New(zapslog.NewHandler(l.Core())))
}

// buckets are seconds: the SDK's latencies lie between 5 ms and a minute, and the default buckets start at 5 s.
var buckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}

// Metrics lets the Temporal SDK report to a Prometheus registry.
func Metrics(r prometheus.Registerer) (client.MetricsHandler, error) {
	exporter, err := otelprom.New(otelprom.WithRegisterer(r), otelprom.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	seconds := metric.NewView(metric.Instrument{Kind: metric.InstrumentKindHistogram}, metric.Stream{Aggregation: metric.AggregationExplicitBucketHistogram{Boundaries: buckets}})
	meter := metric.NewMeterProvider(metric.WithReader(exporter), metric.WithView(seconds)).Meter("temporal")
	return opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{Meter: meter, UseMonotonicCounters: true}), nil
}

// Calls measures calls to outside systems: waybill_outbound_duration_seconds by target, operation and outcome.
func Calls(r prometheus.Registerer) (func(target string) func(operation string, took time.Duration, err error), error) {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "waybill_outbound_duration_seconds", Help: "Calls to outside systems.", Buckets: buckets}, []string{"target", "operation", "outcome"})
	if err := r.Register(h); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	return func(target string) func(string, time.Duration, error) {
		return func(operation string, took time.Duration, err error) {
			outcome := "ok"
			if err != nil {
				outcome = "error"
			}
			h.WithLabelValues(target, operation, outcome).Observe(took.Seconds())
		}
	}, nil
}

// Serve answers /metrics, /healthz and /readyz until the context ends. Ready says why the process is not.
func Serve(ctx context.Context, addr string, g prometheus.Gatherer, ready func(context.Context) error) error {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{}))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	srv := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	return Until(ctx, srv, 5*time.Second)
}

// Until serves until the context ends, then lets what is under way end within grace.
func Until(ctx context.Context, srv *http.Server, grace time.Duration) error {
	failed := make(chan error, 1)
	go func() { failed <- srv.ListenAndServe() }()
	select {
	case err := <-failed:
		return fmt.Errorf("listen on %s: %w", srv.Addr, err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}
