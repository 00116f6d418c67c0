package bridge

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// problem is an RFC 9457 problem document; the sender reads in its detail what to do.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	after  int    // seconds for Retry-After
}

func (p problem) with(detail string) problem { p.Detail = detail; return p }

// The problems a sender can have.
var (
	problemUnsigned  = problem{"urn:waybill:problem:unsigned", "The delivery is not verified", http.StatusUnauthorized, "", 0}
	problemTooLarge  = problem{"urn:waybill:problem:too-large", "The body is too large", http.StatusRequestEntityTooLarge, "", 0}
	problemMediaType = problem{"urn:waybill:problem:media-type", "The content type is not supported", http.StatusUnsupportedMediaType, "send application/cloudevents+json", 0}
	problemUnusable  = problem{"urn:waybill:problem:unusable", "The delivery cannot be used", http.StatusUnprocessableEntity, "", 0}
	problemConflict  = problem{"urn:waybill:problem:conflict", "This id came before with another body", http.StatusConflict, "send each message under an id of its own", 0}
	problemThrottled = problem{"urn:waybill:problem:throttled", "Too many deliveries", http.StatusTooManyRequests, "send slower; see Retry-After", 1}
	problemStore     = problem{"urn:waybill:problem:unavailable", "Not available now", http.StatusServiceUnavailable, "nothing was taken; send it again after Retry-After", 5}
)

func (b *Bridge) refuse(w http.ResponseWriter, source string, p problem) {
	if source != "" {
		b.accepted.WithLabelValues(source, strconv.Itoa(p.Status)).Inc()
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if p.after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.after))
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the sender has gone if this fails
}
