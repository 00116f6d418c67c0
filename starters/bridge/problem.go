package bridge

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"
)

// problem is an RFC 9457 problem document; the sender reads in its detail what to do.
type problem struct {
	Type     string      `json:"type"`
	Title    string      `json:"title"`
	Status   int         `json:"status"`
	Detail   string      `json:"detail"`
	Instance string      `json:"instance,omitzero"` // names the request, for questions
	Errors   []violation `json:"errors,omitempty"`  // with an unusable delivery: each place and what is wrong there
	seconds  int         // for Retry-After
}

func (p problem) with(detail string) problem { p.Detail = detail; return p }

// after sets how long to wait, in whole seconds and at least one.
func (p problem) after(d time.Duration) problem {
	p.seconds = max(int(math.Ceil(d.Seconds())), 1)
	return p
}

// because names every violation, the first in the detail.
func (p problem) because(vs violations) problem {
	p.Errors = vs
	more := ""
	if len(vs) > 1 {
		more = ", and more in errors"
	}
	p.Detail = vs[0].String() + more + ". Correct it and send it again, under this id or another; /v1/schemas/event.json has the form. What came is kept for the operator."
	return p
}

// The problems a sender can have.
var (
	problemBroken      = problem{Type: "urn:waybill:problem:broken-off", Title: "The body broke off", Status: http.StatusBadRequest, Detail: "nothing was taken; send it again"}
	problemUnsigned    = problem{Type: "urn:waybill:problem:unsigned", Title: "The delivery is not verified", Status: http.StatusUnauthorized}
	problemNotFound    = problem{Type: "urn:waybill:problem:not-found", Title: "There is nothing here", Status: http.StatusNotFound, Detail: "events go to /v1/events/{source}; /openapi.yaml has every path"}
	problemSlow        = problem{Type: "urn:waybill:problem:slow", Title: "The body came too slowly", Status: http.StatusRequestTimeout, Detail: "nothing was taken; send the whole request within 10 seconds"}
	problemConflict    = problem{Type: "urn:waybill:problem:conflict", Title: "This id was accepted before with another body", Status: http.StatusConflict, Detail: "what came first stands; send a correction under a new id"}
	problemTooLarge    = problem{Type: "urn:waybill:problem:too-large", Title: "The body is too large", Status: http.StatusRequestEntityTooLarge}
	problemMediaType   = problem{Type: "urn:waybill:problem:media-type", Title: "The content type is not supported", Status: http.StatusUnsupportedMediaType}
	problemUnusable    = problem{Type: "urn:waybill:problem:unusable", Title: "The delivery cannot be used", Status: http.StatusUnprocessableEntity}
	problemThrottled   = problem{Type: "urn:waybill:problem:throttled", Title: "Too many deliveries", Status: http.StatusTooManyRequests, Detail: "nothing was taken; send it again after Retry-After, and slower"}
	problemInternal    = problem{Type: "urn:waybill:problem:internal", Title: "The bridge failed", Status: http.StatusInternalServerError, Detail: "send it again later; if it was taken, the same id is answered as a repeat"}
	problemUnavailable = problem{Type: "urn:waybill:problem:unavailable", Title: "Not available now", Status: http.StatusServiceUnavailable, Detail: "send it again after Retry-After; if it was taken, the same id is answered as a repeat", seconds: 5}
	problemBusy        = problem{Type: "urn:waybill:problem:unavailable", Title: "Not available now", Status: http.StatusServiceUnavailable, Detail: "too many large bodies at a time; nothing was taken, send it again after Retry-After", seconds: 1}
)

func (b *Bridge) refuse(w http.ResponseWriter, r *http.Request, p problem) {
	v := visitOf(r)
	v.outcome = strconv.Itoa(p.Status)
	p.Instance = "urn:waybill:request:" + v.id
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	if p.seconds > 0 {
		h.Set("Retry-After", strconv.Itoa(p.seconds))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "StandardWebhooks") // RFC 9110 asks for a scheme with every 401
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the sender has gone if this fails
}
