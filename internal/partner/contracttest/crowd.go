package contracttest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"waybill/internal/partner"
	"waybill/internal/partner/partnertest"
	"waybill/workflows/protocol"
)

// Client is our own client of a stand-in, with a token that may do everything; the document watches both.
func (d *Document) Client(t testing.TB, handler http.Handler) *partner.Client {
	t.Helper()
	return serve(t, d.Ours(handler))
}

// Careless is our own client of a stand-in where the test has it ask what no caller should.
func (d *Document) Careless(t testing.TB, handler http.Handler) *partner.Client {
	t.Helper()
	return serve(t, d.Anyone(handler))
}

func serve(t testing.TB, handler http.Handler) *partner.Client {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return partner.New(partner.Options{Name: "partner", URL: srv.URL, Token: func() (string, error) { return partnertest.Token, nil }})
}

// Insist calls until the answer is no fault that Temporal would try again, as often as that takes and without its
// pauses.
func Insist[Q, A any](ctx context.Context, call func(context.Context, Q) (A, error), q Q) (a A, err error) {
	for ctx.Err() == nil {
		a, err = call(ctx, q)
		switch protocol.FaultOf(err) {
		case protocol.Transient, protocol.Throttled, protocol.Ambiguous:
			continue
		}
		return a, err
	}
	return a, ctx.Err()
}

// crowd is how many callers ask the same at once.
const crowd = 50

// Crowd has 50 callers insist on the same at once, and requires one answer for all of them.
func Crowd[Q, A any](t *testing.T, call func(context.Context, Q) (A, error), q Q) (answer A) {
	t.Helper()
	g, ctx := errgroup.WithContext(t.Context())
	var mu sync.Mutex
	var answers []A
	for range crowd {
		g.Go(func() error {
			a, err := Insist(ctx, call, q)
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, a)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, a := range answers {
		if !reflect.DeepEqual(a, answers[0]) {
			t.Fatalf("one caller was told %+v, another %+v", answers[0], a)
		}
	}
	return answers[0]
}

// Storms are the ways in which a partner loses replies: while it keeps keys, and while it keeps none from one call to
// the next.
func Storms() map[string]func(*partnertest.Server) func(*http.Request) partnertest.Trouble {
	return map[string]func(*partnertest.Server) func(*http.Request) partnertest.Trouble{
		"keys are kept": func(*partnertest.Server) func(*http.Request) partnertest.Trouble { return storm() },
		"keys are forgotten": func(s *partnertest.Server) func(*http.Request) partnertest.Trouble {
			blow := storm()
			return func(r *http.Request) partnertest.Trouble {
				s.Forget()
				return blow(r)
			}
		},
	}
}

// storm loses a third of the replies after the work is done, and refuses a sixth of the calls with 503 before.
func storm() func(*http.Request) partnertest.Trouble {
	var n atomic.Int64
	return func(*http.Request) partnertest.Trouble {
		switch n.Add(1) % 6 {
		case 0:
			return partnertest.Trouble{Status: http.StatusServiceUnavailable, RetryAfter: "1"}
		case 1:
			return partnertest.Trouble{Then: partnertest.Lost}
		case 4:
			return partnertest.Trouble{Then: partnertest.Cut}
		}
		return partnertest.Trouble{}
	}
}

// Keys has a stand-in note the Idempotency-Key of every call; "" for a read. The calls are made one by one.
func Keys(s *partnertest.Server) *[]string {
	keys := &[]string{}
	s.Fail(func(r *http.Request) partnertest.Trouble {
		*keys = append(*keys, partnertest.KeyOf(r))
		return partnertest.Trouble{}
	})
	return keys
}

// Refused fails the test where err is not a fault of the class, and returns its words: what operators read.
func Refused(t testing.TB, err error, fault protocol.Fault) string {
	t.Helper()
	if err == nil || protocol.FaultOf(err) != fault {
		t.Fatalf("got %v (%s), want a fault of class %s", err, protocol.FaultOf(err), fault)
	}
	return protocol.Words(err)
}
