// Package partnertest is what stand-in partners have in common: credentials, idempotency keys, problem documents,
// and the ways in which a partner fails.
package partnertest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"waybill/internal/partner"
)

// The credentials a stand-in knows; they open nothing.
const (
	Token  = "partner-token" // may do everything
	Reader = "reader-token"  // may read and ask, but not write
)

// bodyLimit is the contracts' own.
const bodyLimit = 1 << 20

// Server wraps a partner's endpoints. A POST that writes needs an Idempotency-Key; the same key with the same payload gets
// the first result again. A refusal is no result: what was refused may be asked again.
type Server struct {
	Next     http.Handler
	Contract *Contract                // what bodies must be
	Pure     func(*http.Request) bool // POSTs that change nothing: they need no key, and a Reader may make them; nil for none

	mu      sync.Mutex
	kept    map[string]*answer
	until   time.Time
	trouble func(*http.Request) Trouble
	lost    int
	seen    int
}

type answer struct {
	payload string
	done    bool
	code    int
	header  http.Header
	body    []byte
}

// Router is an empty set of endpoints, whose answers to what is not among them are problem documents.
func Router() *chi.Mux {
	r := chi.NewRouter()
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		Refuse(w, partner.Problem{Status: http.StatusNotFound, Title: "There is no such path", Detail: r.URL.Path, Code: "unknown_path"})
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		Refuse(w, partner.Problem{Status: http.StatusMethodNotAllowed, Title: "The path has no such method", Detail: r.Method + " " + r.URL.Path, Code: "unknown_method"})
	})
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		Answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	return r
}

// Down makes the partner answer 503 for so long.
func (s *Server) Down(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Now().Add(d)
}

// Counts are the calls seen and the replies lost.
func (s *Server) Counts() (seen, lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen, s.lost
}

// Forget drops the results kept under keys, all of them where none is named: as a partner does that keeps keys for a
// day, or whose draft was made void.
func (s *Server) Forget(keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(keys) == 0 {
		s.kept = nil
	}
	for _, k := range keys {
		delete(s.kept, k)
	}
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyLimit+1))
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	rec := httptest.NewRecorder()
	t := s.begin(r)
	if p := s.refusal(t, r, body); p != nil {
		if t.RetryAfter != "" {
			rec.Header().Set("Retry-After", t.RetryAfter)
		}
		Refuse(rec, *p)
		send(w, rec)
		return
	}
	s.serve(rec, r, body, t)
	s.end(w, rec, t.Then)
}

func send(w http.ResponseWriter, rec *httptest.ResponseRecorder) {
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()) // the caller has gone if this fails
}

// refusal is why a call goes no further; nil where it does. What is up is asked without a token.
func (s *Server) refusal(t Trouble, r *http.Request, body []byte) *partner.Problem {
	switch token := r.Header.Get("Authorization"); {
	case t.Status != 0:
		return t.problem()
	case r.URL.Path == "/healthz":
		return nil
	case token != "Bearer "+Token && token != "Bearer "+Reader:
		return &partner.Problem{Status: http.StatusUnauthorized, Title: "Unknown token", Code: "unauthorized"}
	case r.Method != http.MethodGet && token == "Bearer "+Reader && !s.pure(r):
		return &partner.Problem{Status: http.StatusForbidden, Title: "The token may not write", Code: "forbidden"}
	case len(body) > bodyLimit:
		return &partner.Problem{Status: http.StatusRequestEntityTooLarge, Title: "The body is too large", Detail: "a body has at most " + strconv.Itoa(bodyLimit) + " bytes", Code: "too_large"}
	case len(body) > 0 && mediaType(r) != "application/json":
		return &partner.Problem{Status: http.StatusUnsupportedMediaType, Title: "The body is not JSON", Detail: "send application/json", Code: "not_json"}
	}
	return nil
}

func mediaType(r *http.Request) string {
	t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // one that cannot be read is none
	return t
}

func (s *Server) pure(r *http.Request) bool { return s.Pure != nil && s.Pure(r) }

func (s *Server) serve(w *httptest.ResponseRecorder, r *http.Request, body []byte, t Trouble) {
	work := func() {
		t.wait(r)
		s.Next.ServeHTTP(w, r)
	}
	if r.Method == http.MethodGet || r.Method == http.MethodPut || s.pure(r) {
		work()
		return
	}
	s.once(w, r, body, work)
}

// keyForm is a string of RFC 9651.
var keyForm = regexp.MustCompile(`^"([ !#-\[\]-~]{1,255})"$`)

// once runs a write once for its key.
func (s *Server) once(w *httptest.ResponseRecorder, r *http.Request, body []byte, work func()) {
	key, p := keyOf(r)
	if p != nil {
		Refuse(w, *p)
		return
	}
	sum := sha256.Sum256(append([]byte(r.Method+r.URL.Path+"\n"), body...))
	payload := hex.EncodeToString(sum[:])
	a, first := s.claim(key, payload)
	switch {
	case !first && a.payload != payload:
		Refuse(w, partner.Problem{Status: http.StatusUnprocessableEntity, Title: "Idempotency-Key was used for another request", Detail: key + " was used for another request", Code: partner.CodeKeyReused})
		return
	case !first && !a.done:
		w.Header().Set("Retry-After", "1")
		Refuse(w, partner.Problem{Status: http.StatusConflict, Title: "The first request is still being worked on", Code: partner.CodeInProgress})
		return
	case !first:
		w.Header().Set("Idempotency-Replayed", "true")
		w.Header().Set("Content-Type", a.header.Get("Content-Type"))
		w.WriteHeader(a.code)
		_, _ = w.Write(a.body) // a recorder does not fail
		return
	}
	work()
	s.finish(key, w)
}

func keyOf(r *http.Request) (string, *partner.Problem) {
	header := r.Header.Get("Idempotency-Key")
	if header == "" {
		return "", &partner.Problem{Status: http.StatusBadRequest, Title: "Idempotency-Key is required", Code: "key_required"}
	}
	m := keyForm.FindStringSubmatch(header)
	if m == nil {
		return "", &partner.Problem{Status: http.StatusBadRequest, Title: "Idempotency-Key is not a quoted string", Code: "key_malformed"}
	}
	return m[1], nil
}

// KeyOf is a request's Idempotency-Key without its quotes; "" for none.
func KeyOf(r *http.Request) string {
	key, _ := keyOf(r)
	return key
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

// finish keeps a result; a refusal frees the key.
func (s *Server) finish(key string, w *httptest.ResponseRecorder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.kept[key]
	if a == nil { // forgotten meanwhile
		return
	}
	if w.Code >= http.StatusMultipleChoices {
		delete(s.kept, key)
		return
	}
	a.done, a.code, a.header, a.body = true, w.Code, w.Header().Clone(), bytes.Clone(w.Body.Bytes())
}

// Answer writes a JSON answer.
func Answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the caller has gone if this fails
}

// Reply writes v with code, or the problem that err is: any other error is the stand-in's own failure.
func Reply(w http.ResponseWriter, code int, v any, err error) {
	var p *partner.Problem
	switch {
	case err == nil:
		Answer(w, code, v)
	case errors.As(err, &p):
		Refuse(w, *p)
	default:
		Refuse(w, partner.Problem{Status: http.StatusInternalServerError, Title: "It failed", Detail: err.Error(), Code: "failed"})
	}
}

// Refuse writes a problem document.
func Refuse(w http.ResponseWriter, p partner.Problem) {
	p.Type = "urn:waybill:problem:" + p.Code
	p.Retryable = p.Code == partner.CodeInProgress || p.Status == http.StatusTooManyRequests || p.Status >= http.StatusInternalServerError
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the caller has gone if this fails
}

// Invalid is a refusal of a body, with the places that are wrong.
func Invalid(code, detail string, places ...partner.FieldError) *partner.Problem {
	return &partner.Problem{Status: http.StatusUnprocessableEntity, Title: "The body is not what the contract says", Detail: detail, Code: cmp.Or(code, "invalid"), Errors: places}
}

// Taken is the refusal of an external_ref that another resource holds.
func Taken(ref, holder string) error {
	return &partner.Problem{Status: http.StatusConflict, Title: "external_ref is taken", Detail: holder + " holds " + ref, Code: partner.CodeDuplicate, Existing: holder}
}

// Unknown is the refusal of a path that names nothing: what is a word such as "draft".
func Unknown(what string) error {
	return &partner.Problem{Status: http.StatusNotFound, Title: "There is no such " + what, Code: "unknown"}
}

// Read decodes a request's body, or refuses one that is not the contract's schema.
func Read[T any](s *Server, w http.ResponseWriter, r *http.Request, schema string) (v T, ok bool) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return v, false
	}
	if places := s.Contract.wrong(schema, body); len(places) > 0 {
		Refuse(w, *Invalid("", "", places...))
		return v, false
	}
	if err := json.Unmarshal(body, &v); err != nil {
		Refuse(w, *Invalid("", "", partner.FieldError{Code: "json", Detail: err.Error()}))
		return v, false
	}
	return v, true
}

// Reference is the external_ref a lookup asks for, or refuses one without.
func Reference(w http.ResponseWriter, r *http.Request) (string, bool) {
	ref := r.URL.Query().Get("external_ref")
	if ref == "" {
		Refuse(w, partner.Problem{Status: http.StatusBadRequest, Title: "external_ref is required", Code: "parameter_required"})
	}
	return ref, ref != ""
}
