package bridge

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
)

// mediaFault says what is wrong with the form our own events come in: "" for nothing.
func mediaFault(r *http.Request) string {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil || len(r.Header.Values("Content-Type")) != 1 || media != "application/cloudevents+json" && media != "application/json":
		return "send one event in structured mode, with Content-Type: application/cloudevents+json"
	case params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8"):
		return "send UTF-8; JSON has no other charset"
	}
	return codingFault(r)
}

// codingFault says that a body is compressed: what is signed is what came.
func codingFault(r *http.Request) string {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return "send the body uncompressed, without Content-Encoding"
	}
	return ""
}

// read reads a body of at most limit bytes. Large ones are held a few at a time; release lets the next one in.
func (b *Bridge) read(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, release func(), refusal *problem) {
	release = func() {}
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close") // the rest of the body is not read
		p := problemTooLarge.with(tooLarge(limit))
		return nil, release, &p
	}
	if limit > DefaultLimit && (r.ContentLength < 0 || r.ContentLength > DefaultLimit) {
		select {
		case b.large <- struct{}{}:
			release = func() { <-b.large }
		default:
			w.Header().Set("Connection", "close")
			return nil, release, &problemBusy
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		return body, release, nil
	}
	w.Header().Set("Connection", "close")
	p := brokenOff(err)
	return nil, release, &p
}

// brokenOff tells a body that is too large from one that did not come to its end.
func brokenOff(err error) problem {
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return problemTooLarge.with(tooLarge(over.Limit))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return problemSlow
	}
	return problemBroken
}

func tooLarge(limit int64) string {
	return fmt.Sprintf("the body is over %d bytes: send fewer or smaller documents in one event, or ask to be allowed documents", limit)
}

// unusableID is the id under which an unusable delivery is kept: no sender's id has a '#', so the sender's own
// stays free, and the same body again meets the same.
func unusableID(id string, body []byte) string {
	sum := sha256.Sum256(body)
	return id + "#" + hex.EncodeToString(sum[:6])
}

// cut is s with at most n bytes, and none of a character cut in two.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}
