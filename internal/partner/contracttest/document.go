// Package contracttest holds both sides of a partner's API to its OpenAPI 3.1 document: every request our client
// sends, and every answer a stand-in gives.
package contracttest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	faults "github.com/pb33f/libopenapi-validator/errors"
	"go.yaml.in/yaml/v3"
)

// Document is a contract that traffic is held to. What is not in it fails the test: a path, a status, a header, a
// member of a body.
type Document struct {
	t          testing.TB
	validator  validator.Validator
	operations []operation

	mu   sync.Mutex
	seen map[string]bool // "POST /v1/ratings 200"
}

type operation struct {
	method, path string
	matches      *regexp.Regexp
	headers      map[string][]string // of each status
}

func (o operation) String() string { return o.method + " " + o.path }

// Load reads a document in YAML, and fails the test where it is no valid OpenAPI.
func Load(t testing.TB, document []byte) *Document {
	t.Helper()
	doc, err := libopenapi.NewDocument(document)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc, config.WithFormatAssertions(), config.WithRejectUndeclaredRequestBody(), config.WithRejectUnsupportedBodyContent(),
		config.WithStrictMode(), config.WithStrictIgnorePaths("$.body.**")) // bodies are closed by their schemas; see closed
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, wrong := v.ValidateDocument(); !ok {
		t.Fatal(words(wrong))
	}
	closed(t, document)
	return &Document{t: t, validator: v, operations: operations(t, doc), seen: map[string]bool{}}
}

// closed requires that every object says what else it may hold, so that a member nobody knows is found.
func closed(t testing.TB, document []byte) {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		t.Fatal(err)
	}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		has := map[string]string{}
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			has[n.Content[i].Value] = n.Content[i+1].Value + " "
		}
		if has["type"] == "object " && has["additionalProperties"] == "" {
			t.Errorf("line %d: an object without additionalProperties", n.Line)
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(&root)
}

func operations(t testing.TB, doc libopenapi.Document) (all []operation) {
	t.Helper()
	model, err := doc.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	params := regexp.MustCompile(`\\\{[^}]*\\\}`)
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			o := operation{method: strings.ToUpper(method), path: path, matches: regexp.MustCompile("^" + params.ReplaceAllString(regexp.QuoteMeta(path), "[^/]+") + "$"), headers: map[string][]string{}}
			for status, response := range op.Responses.Codes.FromOldest() {
				o.headers[status] = []string{"Content-Type"}
				for name := range response.Headers.KeysFromOldest() {
					o.headers[status] = append(o.headers[status], http.CanonicalHeaderKey(name))
				}
			}
			all = append(all, o)
		}
	}
	return all
}

// Ours wraps a stand-in that our own client calls: its requests, too, must be as the document has them.
func (d *Document) Ours(next http.Handler) http.Handler {
	return d.watch(next, func(r *http.Request, wrong string, _ int) {
		if wrong != "" {
			d.t.Errorf("our %s %s is not in the contract: %s", r.Method, r.URL, wrong)
		}
	})
}

// Anyone wraps a stand-in that gets wrong requests too: what the document forbids must be refused, as the caller's fault.
func (d *Document) Anyone(next http.Handler) http.Handler {
	return d.watch(next, func(r *http.Request, wrong string, status int) {
		if wrong != "" && status < http.StatusBadRequest {
			d.t.Errorf("%s %s is not in the contract, but got %d: %s", r.Method, r.URL, status, wrong)
		}
	})
}

// watch checks a request, lets the stand-in answer, and checks the answer. One whose reply is lost is checked as far as
// it goes.
func (d *Document) watch(next http.Handler, judge func(r *http.Request, wrong string, status int)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		again := func() *http.Request {
			c := r.Clone(r.Context())
			c.Body = io.NopCloser(bytes.NewReader(body))
			return c
		}
		_, wrong := d.validator.ValidateHttpRequestSync(again())
		rec := httptest.NewRecorder()
		aborted := breaksOff(next, rec, again())
		judge(r, words(wrong), rec.Code)
		if !aborted {
			d.answer(again(), rec)
		}
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes()) // the caller has gone if this fails
		if aborted {
			panic(http.ErrAbortHandler)
		}
	})
}

// breaksOff serves, and reports whether the stand-in broke off.
func breaksOff(next http.Handler, rec *httptest.ResponseRecorder, r *http.Request) (aborted bool) {
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler { //nolint:errorlint // it is the very value
				panic(p)
			}
			aborted = true
		}
	}()
	next.ServeHTTP(rec, r)
	return false
}

func (d *Document) answer(r *http.Request, rec *httptest.ResponseRecorder) {
	if _, wrong := d.validator.ValidateHttpResponse(r, rec.Result()); len(wrong) > 0 {
		d.t.Errorf("the answer %d to %s %s is not in the contract: %s\n%s", rec.Code, r.Method, r.URL, words(wrong), rec.Body)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.operations {
		if o.method != r.Method || !o.matches.MatchString(r.URL.Path) {
			continue
		}
		status := strconv.Itoa(rec.Code)
		d.seen[o.String()+" "+status] = true
		for name := range rec.Header() { // the library lets unknown ones pass
			if !slices.Contains(o.headers[status], name) {
				d.t.Errorf("the answer %d to %s has a header %s, which is not in the contract", rec.Code, o, name)
			}
		}
	}
}

// untried lists what the document promises and no answer has shown: "POST /v1/ratings 404".
func (d *Document) untried() (missing []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.operations {
		for s := range o.headers {
			if key := o.String() + " " + s; !d.seen[key] {
				missing = append(missing, key)
			}
		}
	}
	slices.Sort(missing)
	return missing
}

func words(wrong []*faults.ValidationError) string {
	var texts []string
	for _, w := range wrong {
		s := w.Message + ": " + w.Reason
		for _, v := range w.SchemaValidationErrors {
			s += " (" + v.FieldPath + " " + v.Reason + ")"
		}
		texts = append(texts, s)
	}
	return strings.Join(texts, "; ")
}
