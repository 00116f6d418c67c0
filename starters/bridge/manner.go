package bridge

import (
	"errors"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"waybill/starters/bridge/authn"
	"waybill/starters/bridge/webhook"
)

// Manner is how a partner with ways of its own speaks to us: that signs in another way than Standard Webhooks, or sends
// something else than our own events.
type Manner struct {
	Proof   *authn.Verifier
	Secrets func() ([]string, error) // those live now, asked for anew with each delivery; see Source.Keys
	Foreign bool                     // the body is for the source's connector, which reads it later: here it is kept as it is
}

// The content types a source may send, where it does not say.
var (
	JSONTypes = []string{"application/json", "+json"}
	XMLTypes  = []string{"application/xml", "text/xml", "+xml"}
)

// takes reports whether a content type is one of some; "+json" is any that ends so.
func takes(types []string, media string) bool {
	return slices.ContainsFunc(types, func(t string) bool { return media == t || strings.HasPrefix(t, "+") && strings.HasSuffix(media, t) })
}

// foreignMedia says what is wrong with the form in which a delivery comes from a source that has content types of its
// own; "" for nothing. With none, those of every source count: until it is verified, a delivery is of no source.
func (b *Bridge) foreignMedia(r *http.Request, types []string) string {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil || len(r.Header.Values("Content-Type")) != 1 || !takes(types, media):
		return "send one of the content types agreed for this source, once"
	case strings.HasSuffix(media, "json") && params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8"):
		return "send UTF-8; JSON has no other charset"
	}
	return codingFault(r)
}

// verified is what is known of an authentic delivery.
type verified struct {
	by    string // the proof, in words
	key   int    // place of the secret, from 1; 0: there is none
	id    string
	asked string // text that the partner wants sent back: the delivery is no more than this question
}

// verifyManner verifies a delivery of a source with a manner of its own. A stranger hears what he would hear if there
// were no such source; why it is refused stands in the log.
func (b *Bridge) verifyManner(r *http.Request, src *source, m Manner, body []byte) (v verified, refusal *problem) {
	secrets, fault := m.Secrets()
	b.tell(src, fault)
	req := authn.Request{Header: r.Header, Query: r.URL.Query(), From: b.from(r), Body: body}
	proof, err := m.Proof.Verify(req, b.o.Now(), secrets)
	if err == nil {
		return verified{proof.String(), proof.Secret, m.Proof.DeliveryID(req), m.Proof.Asked(req)}, nil
	}
	visitOf(r).why = err.Error()
	if fault != nil && errors.Is(err, authn.ErrForged) {
		return v, &problemUnavailable
	}
	_, err = webhook.Verify(r.Header, body, b.o.Now(), nil)
	p := unsigned(err)
	return v, &p
}

// unsigned is the answer to a delivery that is not verified.
func unsigned(err error) problem {
	return problemUnsigned.with(err.Error() + "; a source with a proof of its own wants that one, and its log says what is wrong with it")
}

// from is who sent a request: the nearest address that is not one of our proxies. The zero value is nobody.
func (b *Bridge) from(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // what is none is nobody
	addr := peer.Addr().Unmap()
	chain := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(chain) - 1; i >= 0 && b.proxy(addr); i-- {
		before, err := netip.ParseAddr(strings.TrimSpace(chain[i]))
		if err != nil {
			return netip.Addr{}
		}
		addr = before.Unmap()
	}
	return addr
}

func (b *Bridge) proxy(addr netip.Addr) bool {
	return slices.ContainsFunc(b.o.Proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// ask answers a partner that asks by a GET whether we listen. Where it may not, there is nothing.
func (b *Bridge) ask(w http.ResponseWriter, r *http.Request) {
	src, known := b.sources[chi.URLParam(r, "source")]
	if !known || src.Manner == nil {
		b.refuse(w, r, problemNotFound)
		return
	}
	m := src.Manner()
	secrets, fault := m.Secrets()
	b.tell(src, fault)
	text := m.Proof.AskedByGet(authn.Request{Header: r.Header, Query: r.URL.Query(), From: b.from(r)}, secrets)
	if text == "" {
		b.refuse(w, r, problemNotFound)
		return
	}
	echo(w, text)
}

// echo sends a text back, in a form that is nothing else to anyone.
func echo(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(text)) // the sender has gone if this fails
}

// answerAs says yes in the one way a partner takes for it.
func answerAs(w http.ResponseWriter, status int, repeat bool) {
	w.Header().Set("Waybill-Repeat", strconv.FormatBool(repeat))
	w.WriteHeader(status)
}
