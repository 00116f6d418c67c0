package bridge

import (
	"context"
	"crypto/rand"
	"net/http"
	"regexp"
	"runtime/debug"
	"sync"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// visit is one request, as the log and the metrics tell of it. The handlers fill it in.
type visit struct {
	id       string // of the request
	source   string // configured, or one of two fixed words; "" where nothing is delivered
	outcome  string // accepted, repeat, or the status
	delivery string // its id, once it is verified
	why      string // it is refused, for us alone
	foreign  bool   // its body is the partner's own
	answer   int    // status that is a yes to the partner, without a body; 0: 202 and a receipt
}

type visitKey struct{}

func visitOf(r *http.Request) *visit { return r.Context().Value(visitKey{}).(*visit) }

var requestIDForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// requestID is the id a proxy has given the request, or one of our own.
func requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); requestIDForm.MatchString(id) {
		return id
	}
	return rand.Text()
}

// ServeHTTP implements http.Handler.
func (b *Bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v, began := &visit{id: requestID(r)}, b.o.Now()
	reply := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
	reply.Header().Set("X-Request-Id", v.id)
	reply.Header().Set("X-Content-Type-Options", "nosniff")
	if b.draining.Load() {
		reply.Header().Set("Connection", "close")
	}
	r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
	defer func() {
		b.rescue(recover(), reply, r)
		b.log(reply.Status(), r, v, b.o.Now().Sub(began))
	}()
	b.router.ServeHTTP(reply, r)
}

// rescue answers for a handler that panicked.
func (b *Bridge) rescue(p any, w middleware.WrapResponseWriter, r *http.Request) {
	if p == nil {
		return
	}
	b.o.Log.Error("panic", zap.String("request", visitOf(r).id), zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
	if w.Status() == 0 {
		b.refuse(w, r, problemInternal)
	}
}

// log tells of a request: ids, never what it carries, and not its query, where Odoo has its token.
func (b *Bridge) log(status int, r *http.Request, v *visit, took time.Duration) {
	if v.source != "" {
		b.counts.events.WithLabelValues(v.source, v.outcome).Inc()
		b.counts.seconds.WithLabelValues(v.outcome).Observe(took.Seconds())
	}
	level := zapcore.InfoLevel
	switch {
	case status >= http.StatusInternalServerError:
		level = zapcore.WarnLevel
	case r.URL.Path == "/healthz", r.URL.Path == "/readyz":
		level = zapcore.DebugLevel
	}
	b.o.Log.Log(level, "request", zap.String("request", v.id), zap.String("method", r.Method), zap.String("path", cut(r.URL.Path, 100)), zap.String("from", r.RemoteAddr),
		zap.String("source", v.source), zap.String("delivery", v.delivery), zap.Int("status", status), zap.String("outcome", v.outcome), zap.Int64("bytes", r.ContentLength), zap.Duration("took", took), zap.String("why", v.why))
}

// saidOnce keeps a fault from being told again at each delivery.
type saidOnce struct {
	mu   sync.Mutex
	last string
}

// news reports whether text is another than the last one; the first is "".
func (s *saidOnce) news(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.last
	s.last = text
	return was != text
}
