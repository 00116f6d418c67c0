package partnertest

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"waybill/internal/partner"
)

// Trouble is what goes wrong with one call; the zero value is nothing.
type Trouble struct {
	Status     int           // 429, 500 or 503 before anything is done; 0 goes on
	RetryAfter string        // with Status: seconds or an HTTP date
	Slow       time.Duration // how long the work takes; a caller that leaves finds it done
	Then       Ending        // what becomes of the answer to work that is done
}

// Ending is what becomes of an answer.
type Ending int

// The endings.
const (
	Answered Ending = iota
	Lost            // no byte of it arrives
	Cut             // half of it arrives
	Garbled         // a page arrives that is no JSON, and says 200
)

// Fail sets the rule that says what goes wrong with which call; nil for nothing. It is asked once a call, by many at a time.
func (s *Server) Fail(rule func(*http.Request) Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = rule
}

// begin counts a call and says what goes wrong with it.
func (s *Server) begin(r *http.Request) Trouble {
	s.mu.Lock()
	s.seen++
	down, rule := time.Now().Before(s.until), s.trouble
	s.mu.Unlock()
	switch {
	case down:
		return Trouble{Status: http.StatusServiceUnavailable, RetryAfter: "1"}
	case rule != nil:
		return rule(r)
	}
	return Trouble{}
}

func (t Trouble) problem() *partner.Problem {
	switch t.Status {
	case http.StatusTooManyRequests:
		return &partner.Problem{Status: t.Status, Title: "Too many requests", Code: "throttled"}
	case http.StatusServiceUnavailable:
		return &partner.Problem{Status: t.Status, Title: "Maintenance", Code: "unavailable"}
	}
	return &partner.Problem{Status: t.Status, Title: "It failed", Code: "failed"}
}

// wait is the work's own time. It is over at once where the caller leaves.
func (t Trouble) wait(r *http.Request) {
	if t.Slow == 0 {
		return
	}
	timer := time.NewTimer(t.Slow)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// end answers, or not.
func (s *Server) end(w http.ResponseWriter, rec *httptest.ResponseRecorder, e Ending) {
	if e != Answered {
		s.mu.Lock()
		s.lost++
		s.mu.Unlock()
	}
	switch e {
	case Lost:
		panic(http.ErrAbortHandler)
	case Cut:
		w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
		rec.Body.Truncate(rec.Body.Len() / 2)
		send(w, rec)
		panic(http.ErrAbortHandler)
	case Garbled:
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>Please sign in</html>")) // the caller has gone if this fails
	default:
		send(w, rec)
	}
}
