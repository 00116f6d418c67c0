package partner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"waybill/internal/partner"
	"waybill/internal/partner/contracttest"
	"waybill/internal/partner/partnertest"
	"waybill/workflows/protocol"
)

// canary is a token that must be seen nowhere but in the Authorization header.
const canary = "canary-7f3a/9c\"e"

func served(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return srv.URL
}

func client(url string, changes ...func(*partner.Options)) *partner.Client {
	o := partner.Options{Name: "billing engine", URL: url, Token: func() (string, error) { return canary, nil }}
	for _, change := range changes {
		change(&o)
	}
	return partner.New(o)
}

// write is a call that may not be done twice.
var write = partner.Call{Method: http.MethodPost, Path: "/v1/invoice-drafts/{id}/commit", ID: "D1", Key: "waybill.inv_acme-1_1/commit", Shipment: "acme-1", Body: map[string]string{"a": "b"}}

func do(t *testing.T, c *partner.Client) error {
	t.Helper()
	var out struct{ ID string }
	return c.Do(t.Context(), write, &out)
}

// answer is a handler with one answer.
func answer(status int, header http.Header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the caller has gone if this fails
	}
}

func problem(code, detail string, retryable bool) string {
	b, _ := json.Marshal(partner.Problem{Type: "urn:waybill:problem:" + code, Title: "A title", Detail: detail, Code: code, Retryable: retryable}) // a plain struct
	return string(b)
}

func after(s string) http.Header { return http.Header{"Retry-After": {s}} }

// delay is when Temporal would call again; 0 leaves it to the activity's policy.
func delay(err error) time.Duration {
	var e *temporal.ApplicationError
	if errors.As(err, &e) {
		return e.NextRetryDelay()
	}
	return 0
}

func TestEachAnswerHasTheClassThatSaysWhatARetryDoes(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		fault  protocol.Fault
		words  string
		delay  time.Duration
	}{
		"too many, in seconds":       {answer(429, after("7"), problem("throttled", "", true)), protocol.Throttled, "the billing engine says: A title", 7 * time.Second},
		"too many, for a day":        {answer(429, after("86400"), problem("throttled", "", true)), protocol.Throttled, "", 15 * time.Minute},
		"too many, for ever":         {answer(429, after("99999999999999999999999"), ""), protocol.Throttled, "", 15 * time.Minute},
		"too many, without a time":   {answer(429, nil, ""), protocol.Throttled, "429 Too Many Requests, without saying why", 0},
		"too many, in no known form": {answer(429, after("soon"), ""), protocol.Throttled, "", 0},
		"down":                       {answer(503, after("2"), problem("unavailable", "back at noon", true)), protocol.Throttled, "back at noon", 2 * time.Second},
		"failed":                     {answer(500, nil, problem("failed", "disk full", true)), protocol.Transient, "the billing engine says: disk full", 0},
		"a proxy's page":             {answer(502, nil, "<html>Bad gateway</html>"), protocol.Transient, "502 Bad Gateway, without saying why", 0},
		"a proxy's patience":         {answer(504, nil, ""), protocol.Transient, "", 0},
		"request timeout":            {answer(408, nil, ""), protocol.Transient, "", 0},
		"in progress":                {answer(409, after("1"), problem("in_progress", "", true)), protocol.Transient, "", time.Second},
		"retryable by its own word":  {answer(424, after("3"), problem("dependency", "the ledger is closed until six", true)), protocol.Transient, "until six", 3 * time.Second},
		"unknown token":              {answer(401, nil, problem("unauthorized", "Unknown token", false)), protocol.Configuration, "the billing engine says: Unknown token: it does not take the token for the billing engine: renew it in the configuration", time.Minute},
		"token without the right":    {answer(403, nil, problem("forbidden", "", false)), protocol.Configuration, "the token for the billing engine may not POST /v1/invoice-drafts/{id}/commit: give it the right there", time.Minute},
		"no such path":               {answer(404, nil, "404 page not found"), protocol.Configuration, "it has no POST /v1/invoice-drafts/{id}/commit: correct its url in the configuration", time.Minute},
		"no such method":             {answer(405, nil, ""), protocol.Configuration, "correct its url", time.Minute},
		"no such draft":              {answer(404, nil, problem("unknown", "there is no D1", false)), protocol.Rejected, "the billing engine says: there is no D1", 0},
		"conflict":                   {answer(409, nil, problem("void", "D1 is void", false)), protocol.Rejected, "the billing engine says: D1 is void", 0},
		"invalid": {answer(422, nil, `{"title":"Wrong body","code":"invalid","errors":[{"pointer":"/lines/0","code":"required"},{"pointer":"/net","code":"sum","detail":"is 9"}]}`),
			protocol.Rejected, "the billing engine says: Wrong body: /lines/0 required; /net is 9", 0},
		"refused without a reason":   {answer(400, nil, "nope"), protocol.Rejected, "the billing engine says: 400 Bad Request, without saying why", 0},
		"a page that says 200":       {answer(200, nil, "<html>Please sign in</html>"), protocol.Poison, "answered POST /v1/invoice-drafts/{id}/commit with something that cannot be read", 0},
		"half of a document":         {answer(200, nil, `{"id":"D1`), protocol.Poison, "cannot be read", 0},
		"nothing":                    {answer(204, nil, ""), protocol.Poison, "cannot be read", 0},
		"another type":               {answer(200, nil, `{"id":7}`), protocol.Poison, "cannot be read", 0},
		"more than anyone asked for": {endless, protocol.Poison, "with more than 8 MiB", 0},
		"reply cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"id":`)
		}, protocol.Ambiguous, "no answer from the billing engine", 0},
		"connection closed unanswered": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, protocol.Ambiguous, "no answer from the billing engine", 0},
	} {
		t.Run(name, func(t *testing.T) {
			err := do(t, client(served(t, c.answer)))
			if words := contracttest.Refused(t, err, c.fault); !strings.Contains(words, c.words) {
				t.Errorf("got %q, want %q", words, c.words)
			}
			if got := delay(err); got != c.delay {
				t.Errorf("tried again after %s, want %s", got, c.delay)
			}
		})
	}
}

// endless answers for as long as anyone reads.
func endless(w http.ResponseWriter, r *http.Request) {
	page := []byte(`"` + strings.Repeat("x", 1<<16))
	for r.Context().Err() == nil {
		if _, err := w.Write(page); err != nil {
			return
		}
	}
}

func TestRetryAfterIsReadAsADateToo(t *testing.T) {
	now := time.Date(2026, 10, 5, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"90":                            90 * time.Second,
		"-5":                            0,
		"1.5":                           0,
		"Mon, 05 Oct 2026 12:00:30 GMT": 30 * time.Second,
		"Mon, 05 Oct 2026 11:00:00 GMT": 0,
		"Tue, 05 Oct 2027 12:00:00 GMT": 24 * time.Hour,
		"9223372036854775807":           24 * time.Hour,
	} {
		if got := partner.RetryAfter(header, now); got != want {
			t.Errorf("%q: got %s, want %s", header, got, want)
		}
	}
	at := time.Now().Add(time.Minute)
	err := do(t, client(served(t, answer(429, after(at.UTC().Format(http.TimeFormat)), ""))))
	if got := delay(err); got <= 0 || got > time.Until(at)+time.Second {
		t.Errorf("tried again after %s, want about a minute", got)
	}
}

func TestPartnerThatCannotBeReachedWasNotAsked(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	if words := contracttest.Refused(t, do(t, client(srv.URL)), protocol.Transient); !strings.Contains(words, "the billing engine cannot be reached") {
		t.Errorf("got %q", words)
	}
}

func TestCallThatTakesTooLongMayHaveBeenDone(t *testing.T) {
	url := served(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // so that the server notices when the caller leaves
		<-r.Context().Done()
	})
	c := client(url, func(o *partner.Options) { o.Timeout = 30 * time.Millisecond })
	contracttest.Refused(t, do(t, c), protocol.Ambiguous)
}

// TestCancelledCallEndsAtOnceAsCancelled: Temporal sees the cancellation through the fault.
func TestCancelledCallEndsAtOnceAsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url := served(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // so that the server notices when the caller leaves
		cancel()
		<-r.Context().Done()
	})
	err := client(url).Do(ctx, write, nil)
	contracttest.Refused(t, err, protocol.Ambiguous)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not say that it was cancelled", err)
	}
}

func TestPartnerWithAnUntrustedCertificateGetsNoToken(t *testing.T) {
	var asked bool
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	if words := contracttest.Refused(t, do(t, client(srv.URL)), protocol.Configuration); !strings.Contains(words, "the billing engine cannot be trusted") {
		t.Errorf("got %q", words)
	}
	if asked {
		t.Error("it was asked")
	}
}

// TestRedirectIsNotFollowed, neither to another host nor to the same: the token would go along.
func TestRedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var followed []string
		note := func(_ http.ResponseWriter, r *http.Request) {
			followed = append(followed, r.URL.Path+" "+r.Header.Get("Authorization"))
		}
		elsewhere := served(t, note)
		for _, target := range []string{elsewhere + "/v1/steal", "/v1/steal"} {
			mux := http.NewServeMux()
			mux.HandleFunc("/v1/steal", note)
			mux.HandleFunc("/", answer(status, http.Header{"Location": {target}}, ""))
			words := contracttest.Refused(t, do(t, client(served(t, mux.ServeHTTP))), protocol.Configuration)
			if !strings.Contains(words, "correct its url in the configuration") || len(followed) > 0 {
				t.Errorf("%d to %s: %q, followed %q", status, target, words, followed)
			}
		}
	}
}

// TestTokenIsSeenInNoError, though the partner repeats it wherever it can.
func TestTokenIsSeenInNoError(t *testing.T) {
	echo := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			w.Header().Set("Location", "http://127.0.0.1:1/"+url.PathEscape(token))
			w.WriteHeader(status)
			places := []partner.FieldError{{Pointer: "/" + token, Code: token, Detail: token}}
			p := partner.Problem{Type: token, Title: "no " + token, Detail: token + " is unknown", Code: token, Existing: token, Errors: places}
			_ = json.NewEncoder(w).Encode(p) // the caller has gone if this fails
		}
	}
	var errs []error
	observe := func(o *partner.Options) {
		o.Observe = func(_ string, _ time.Duration, err error) { errs = append(errs, err) }
	}
	for _, status := range []int{200, 302, 400, 401, 403, 404, 409, 422, 429, 500, 503} {
		errs = append(errs, do(t, client(served(t, echo(status)), observe)))
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	errs = append(errs, do(t, client(gone.URL, observe)), do(t, client("http://ann:"+url.PathEscape(canary)+"@127.0.0.1:1", observe)), do(t, client("http://ann:"+canary+"@[", observe)))
	for _, token := range []string{canary + "\n", "\x00" + canary} {
		errs = append(errs, do(t, client(gone.URL, observe, func(o *partner.Options) { o.Token = func() (string, error) { return token, nil } })))
	}
	if len(errs) < 25 {
		t.Fatalf("only %d errors were looked at", len(errs))
	}
	for _, err := range errs {
		b, _ := json.Marshal(partner.ProblemOf(err)) // nil or a plain struct
		for _, text := range []string{fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err)), string(b)} {
			for _, form := range []string{canary, url.PathEscape(canary), `canary-7f3a`} {
				if strings.Contains(text, form) {
					t.Errorf("the token is in %s", text)
				}
			}
		}
	}
}

func TestTokenThatCannotBeUsedIsNamed(t *testing.T) {
	asked := served(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked without a token") })
	for words, token := range map[string]func() (string, error){
		"token of the billing engine: no such file":                     func() (string, error) { return "", errors.New("no such file") },
		"the token of the billing engine is empty: set it":              func() (string, error) { return "", nil },
		"the token of the billing engine holds a line break or another": func() (string, error) { return "abc\n", nil },
	} {
		err := do(t, client(asked, func(o *partner.Options) { o.Token = token }))
		if got := contracttest.Refused(t, err, protocol.Configuration); !strings.Contains(got, words) {
			t.Errorf("got %q, want %q", got, words)
		}
	}
}

// TestRenewedTokenHoldsAtOnce without a restart.
func TestRenewedTokenHoldsAtOnce(t *testing.T) {
	var seen []string
	url := served(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, "{}") // the caller has gone if this fails
	})
	tokens := []string{"old", "new"}
	c := client(url, func(o *partner.Options) { o.Token = func() (string, error) { return tokens[len(seen)], nil } })
	for range tokens {
		if err := do(t, c); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(seen, []string{"Bearer old", "Bearer new"}) {
		t.Errorf("got %q", seen)
	}
}

// TestOperationsAreAsManyAsTheContractHas, however many shipments there are: they label metrics.
func TestOperationsAreAsManyAsTheContractHas(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	var paths []string
	url1 := served(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths = append(paths, r.URL.EscapedPath()+"?"+r.URL.RawQuery)
		mu.Unlock()
		_, _ = io.WriteString(w, `{"drafts":[]}`) // the caller has gone if this fails
	})
	c := client(url1, func(o *partner.Options) {
		o.Observe = func(operation string, took time.Duration, err error) {
			seen[operation]++
			if took <= 0 {
				t.Errorf("%s took %s", operation, took)
			}
		}
	})
	drafts := partner.Lookup[struct{}]{Path: "/v1/invoice-drafts", List: "drafts"}
	for i := range 20 {
		call := write
		call.ID = fmt.Sprintf("D%d", i)
		if err := c.Do(t.Context(), call, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := drafts.Find(t.Context(), c, fmt.Sprintf("waybill.inv_acme-%d_1", i), "acme-1"); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 2 || seen["POST /v1/invoice-drafts/{id}/commit"] != 20 || seen["GET /v1/invoice-drafts"] != 20 {
		t.Errorf("got %v", seen)
	}
	if paths[38] != "/v1/invoice-drafts/D19/commit?" || paths[39] != "/v1/invoice-drafts?external_ref=waybill.inv_acme-19_1" {
		t.Errorf("got %q", paths[38:])
	}
}

// TestIDStaysInItsPlaceInThePath: it is the partner's word, and must not lead to another path.
func TestIDStaysInItsPlaceInThePath(t *testing.T) {
	var path string
	c := client(served(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.EscapedPath()
		_, _ = io.WriteString(w, "{}") // the caller has gone if this fails
	}))
	call := write
	call.ID = "../admin?x=1#y"
	if err := c.Do(t.Context(), call, nil); err != nil || path != "/v1/invoice-drafts/..%2Fadmin%3Fx=1%23y/commit" {
		t.Errorf("got %q, %v", path, err)
	}
	for _, id := range []string{"", ".", ".."} {
		call.ID, path = id, ""
		contracttest.Refused(t, c.Do(t.Context(), call, nil), protocol.Poison)
		if path != "" {
			t.Errorf("%q was asked as %s", id, path)
		}
	}
}

func TestLookupThatIsNoListOfAtMostOneIsPoison(t *testing.T) {
	lookup := partner.Lookup[struct{ ID string }]{Path: "/v1/invoice-drafts", List: "drafts"}
	for _, body := range []string{`{}`, `{"drafts":{}}`, `{"drafts":[{"id":"a"},{"id":"b"}]}`, `[]`} {
		c := client(served(t, answer(200, nil, body)))
		_, err := lookup.Find(t.Context(), c, "r", "")
		contracttest.Refused(t, err, protocol.Poison)
	}
	refusal := protocol.Rejected.Of(errors.New("taken"))
	if _, err := lookup.Holder(t.Context(), client(served(t, answer(200, nil, `{"drafts":[]}`))), "r", "", refusal); !errors.Is(err, refusal) {
		t.Errorf("nothing holds it: got %v, want the refusal", err)
	}
}

// TestStandInsTroublesReachTheClient in the class each has in life.
func TestStandInsTroublesReachTheClient(t *testing.T) {
	stand := &partnertest.Server{Next: answer(http.StatusOK, http.Header{"Content-Type": {"application/json"}}, `{"id":"D1"}`)}
	srv := httptest.NewServer(stand)
	t.Cleanup(srv.Close)
	c := client(srv.URL, func(o *partner.Options) {
		o.Timeout, o.Token = 50*time.Millisecond, func() (string, error) { return partnertest.Token, nil }
	})
	for i, w := range []struct {
		trouble partnertest.Trouble
		fault   protocol.Fault
	}{
		{partnertest.Trouble{Status: 429, RetryAfter: "1"}, protocol.Throttled},
		{partnertest.Trouble{Status: 500}, protocol.Transient},
		{partnertest.Trouble{Slow: time.Hour}, protocol.Ambiguous},
		{partnertest.Trouble{Then: partnertest.Lost}, protocol.Ambiguous},
		{partnertest.Trouble{Then: partnertest.Cut}, protocol.Ambiguous},
		{partnertest.Trouble{Then: partnertest.Garbled}, protocol.Poison},
	} {
		stand.Fail(func(*http.Request) partnertest.Trouble { return w.trouble })
		call := write
		call.Key = fmt.Sprintf("key-%d", i)
		contracttest.Refused(t, c.Do(t.Context(), call, &struct{ ID string }{}), w.fault)
	}
}
