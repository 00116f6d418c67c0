// Package notifytest is a subscriber as there are many: it takes signed CloudEvents and refuses what is none, and what
// does not fit the schema that the bridge publishes for it.
package notifytest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Secret is the subscriber's own, which it verifies with.
const Secret = "whsec_c3Vic2NyaWJlci1vbmUtc3Vic2NyaWJlci1vbmUtMTIz" //nolint:gosec // of tests alone

// Told is what arrived in one request.
type Told struct {
	ID   string // webhook-id
	Body []byte
}

// Answer is what a test makes the subscriber answer instead of taking an event.
type Answer struct {
	Status     int    // 0: as it should
	RetryAfter string // header; "" for none
	Lost       bool   // it takes the event, and the reply never arrives
}

// Server is a subscriber.
type Server struct {
	// Next is asked before each answer, if it is set.
	Next func(t Told) Answer

	URL     string
	hook    *standardwebhooks.Webhook
	schemas Schemas

	mu    sync.Mutex
	tries []Told
	taken []Told // each id once
}

// Start starts a subscriber, until the end of the test.
func Start(t testing.TB) *Server {
	t.Helper()
	hook, err := standardwebhooks.NewWebhook(Secret)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{hook: hook, schemas: Published(t)}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.URL = srv.URL + "/hooks/waybill"
	return s
}

// ServeHTTP takes one event.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	told := Told{r.Header.Get("webhook-id"), body}
	if status := s.objects(r, told); err != nil || status != 0 {
		w.WriteHeader(max(status, http.StatusBadRequest))
		return
	}
	s.mu.Lock()
	s.tries = append(s.tries, told)
	next := s.Next
	s.mu.Unlock()
	var a Answer
	if next != nil {
		a = next(told)
	}
	if a.RetryAfter != "" {
		w.Header().Set("Retry-After", a.RetryAfter)
	}
	if a.Status != 0 {
		w.WriteHeader(a.Status)
		return
	}
	status := s.take(told)
	if a.Lost {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
}

// objects says with what status a request is refused whatever it tells; 0 for none.
func (s *Server) objects(r *http.Request, t Told) int {
	var e cloudevents.Event
	switch {
	case r.Method != http.MethodPost:
		return http.StatusMethodNotAllowed
	case r.Header.Get("Content-Type") != cloudevents.ApplicationCloudEventsJSON:
		return http.StatusUnsupportedMediaType
	case s.hook.Verify(t.Body, r.Header) != nil:
		return http.StatusUnauthorized
	case json.Unmarshal(t.Body, &e) != nil || e.Validate() != nil || e.ID() != t.ID || s.schemas.Check(t.Body) != nil:
		return http.StatusUnprocessableEntity
	}
	return 0
}

// take keeps an event once. The same id with another body is an error of ours.
func (s *Server) take(t Told) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.taken {
		if k.ID == t.ID {
			if !bytes.Equal(k.Body, t.Body) {
				return http.StatusConflict
			}
			return http.StatusOK
		}
	}
	s.taken = append(s.taken, t)
	return http.StatusNoContent
}

// Tries are the requests that were well formed and signed, in order.
func (s *Server) Tries() []Told {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Told{}, s.tries...)
}

// Taken are the events it has, each once, in the order they first came.
func (s *Server) Taken() []Told {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Told{}, s.taken...)
}

// Decoded reads what was told.
func (t Told) Decoded() (e cloudevents.Event, err error) { return e, json.Unmarshal(t.Body, &e) }
