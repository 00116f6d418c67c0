// Package partnertest is what stand-in partners have in common: credentials, idempotency keys, problem documents,
// and the ways in which a partner fails.
package partnertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"waybill/internal/partner"
)

// Token is the only credential a stand-in knows.
const Token = "partner-token" // of a stand-in on this machine; it opens nothing

// Server wraps a partner's endpoints. Writes need an Idempotency-Key; the same key with the same payload gets
// the first answer again.
type Server struct {
	Next http.Handler
	Pure func(*http.Request) bool // calls that change nothing, though they are POSTs

	mu    sync.Mutex
	kept  map[string]*answer
	until time.Time
	lose  func(*http.Request) bool
	lost  int
	seen  int
}

type answer struct {
	payload string
	done    bool
	code    int
	header  http.Header
	body    []byte
}

// Down makes the partner answer 503 for so long.
func (s *Server) Down(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Now().Add(d)
}

// Lose sets the rule by which replies are lost after the partner has done what was asked; nil for none.
func (s *Server) Lose(rule func(*http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose = rule
}

// Counts are the calls seen and the replies lost.
func (s *Server) Counts() (seen, lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen, s.lost
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	rec := httptest.NewRecorder()
	lose := s.serve(rec, r, body)
	if lose {
		panic(http.ErrAbortHandler)
	}
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()) // the caller has gone if this fails
}

func (s *Server) serve(w *httptest.ResponseRecorder, r *http.Request, body []byte) (lose bool) {
	s.mu.Lock()
	s.seen++
	down := time.Now().Before(s.until)
	s.mu.Unlock()
	switch {
	case down:
		w.Header().Set("Retry-After", "1")
		Refuse(w, partner.Problem{Status: http.StatusServiceUnavailable, Title: "Maintenance"})
		return false
	case r.Header.Get("Authorization") != "Bearer "+Token:
		Refuse(w, partner.Problem{Status: http.StatusUnauthorized, Title: "Unknown token"})
		return false
	case r.Method == http.MethodGet || s.Pure != nil && s.Pure(r):
		s.Next.ServeHTTP(w, r)
	default:
		s.once(w, r, body)
	}
	return s.loses(r)
}

func (s *Server) loses(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lose == nil || !s.lose(r) {
		return false
	}
	s.lost++
	return true
}

// once runs a write once for its key.
func (s *Server) once(w *httptest.ResponseRecorder, r *http.Request, body []byte) {
	key := r.Header.Get("Idempotency-Key")
	sum := sha256.Sum256(append([]byte(r.Method+r.URL.Path+"\n"), body...))
	payload := hex.EncodeToString(sum[:])
	if key == "" {
		Refuse(w, partner.Problem{Status: http.StatusBadRequest, Title: "Idempotency-Key is required", Code: "key_required"})
		return
	}
	a, first := s.claim(key, payload)
	switch {
	case !first && a.payload != payload:
		Refuse(w, partner.Problem{Status: http.StatusUnprocessableEntity, Title: "Idempotency-Key was used for another request", Code: "key_reused"})
		return
	case !first && !a.done:
		Refuse(w, partner.Problem{Status: http.StatusConflict, Title: "The first request is still being worked on", Code: "in_progress"})
		return
	case !first:
		w.Header().Set("Idempotency-Replayed", "true")
		w.Header().Set("Content-Type", a.header.Get("Content-Type"))
		w.WriteHeader(a.code)
		_, _ = w.Write(a.body) // a recorder does not fail
		return
	}
	s.Next.ServeHTTP(w, r)
	s.finish(key, w)
}

func (s *Server) claim(key, payload string) (answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.kept[key]; ok {
		return *a, false
	}
	if s.kept == nil {
		s.kept = map[string]*answer{}
	}
	s.kept[key] = &answer{payload: payload}
	return answer{}, true
}

func (s *Server) finish(key string, w *httptest.ResponseRecorder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.Code >= 500 {
		delete(s.kept, key)
		return
	}
	a := s.kept[key]
	a.done, a.code, a.header, a.body = true, w.Code, w.Header().Clone(), bytes.Clone(w.Body.Bytes())
}

// Answer writes a JSON answer.
func Answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the caller has gone if this fails
}

// Refuse writes a problem document.
func Refuse(w http.ResponseWriter, p partner.Problem) {
	p.Type = "about:blank"
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the caller has gone if this fails
}

// Read decodes a request's body, or refuses it.
func Read[T any](w http.ResponseWriter, r *http.Request) (v T, ok bool) {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		Refuse(w, partner.Problem{Status: http.StatusUnprocessableEntity, Title: "The body is not what the contract says", Detail: err.Error(), Code: "invalid"})
		return v, false
	}
	return v, true
}
