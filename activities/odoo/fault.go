package odoo

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/kolo/xmlrpc"

	"waybill/workflows/protocol"
)

// Classify names the class of an error from Odoo: the one place that knows its answers. What it does not know
// may have been done.
func Classify(err error) protocol.Fault {
	var fault xmlrpc.FaultError
	var status *statusError
	var bad *encodeError
	var load *loadError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errLogin), errors.As(err, &certificate):
		return protocol.Configuration
	case errors.As(err, &fault):
		return classifyFault(fault.Code, fault.String)
	case errors.As(err, &load):
		return classifyLoad(load.message)
	case errors.As(err, &status):
		return classifyStatus(status.code)
	case errors.As(err, &bad), errors.Is(err, errTooLarge):
		return protocol.Poison
	case errors.Is(err, syscall.ECONNREFUSED), isLookup(err):
		return protocol.Transient // it never reached Odoo
	}
	return protocol.Ambiguous // cut off, timed out, or a proxy's page in its place
}

func isLookup(err error) bool { var e *net.DNSError; return errors.As(err, &e) }

func classifyStatus(code int) protocol.Fault {
	switch code {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return protocol.Throttled
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return protocol.Ambiguous // the proxy gave up, Odoo may not have
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestEntityTooLarge:
		return protocol.Configuration
	}
	switch {
	case code >= 500:
		return protocol.Transient
	case code >= 300 && code < 400:
		return protocol.Configuration
	}
	return protocol.Poison
}

// The fault codes of /xmlrpc/2.
const (
	codeTraceback = 1
	codeBusiness  = 2
	codeDenied    = 3
	codeRights    = 4
)

func classifyFault(code int, text string) protocol.Fault {
	text = said(text)
	switch {
	case code == codeDenied, code == codeRights:
		return protocol.Configuration
	case code == codeBusiness && (noModel(text) || noUser(text)):
		return protocol.Configuration
	case code == codeBusiness:
		return protocol.Rejected
	case contended(text), databaseAway(text):
		return protocol.Transient
	case marshalFault(text):
		return protocol.Ambiguous
	case noDatabase(text), notSetUp(text):
		return protocol.Configuration
	}
	return protocol.Poison
}

// classifyLoad classifies what load says in a message where other methods raise a fault.
func classifyLoad(message string) protocol.Fault {
	switch {
	case contended(message):
		return protocol.Transient
	case containsAny(message, "not allowed to", "security restrictions", "top-secret records", "unauthorized or invalid companies"):
		return protocol.Configuration
	}
	return protocol.Rejected
}

func containsAny(s string, texts ...string) bool {
	for _, t := range texts {
		if strings.Contains(s, t) {
			return true
		}
	}
	return false
}

// contended reports whether a text of Odoo's says that another transaction was in the way.
func contended(s string) bool {
	return containsAny(s, "could not serialize", "SerializationFailure", "deadlock detected", "Connection Pool Is Full", "LockNotAvailable", "could not obtain lock", "current transaction is aborted")
}

// databaseAway reports whether Odoo is there and its PostgreSQL is not.
func databaseAway(s string) bool {
	return containsAny(s, "connection to server", "database system is", "too many clients", "remaining connection slots", "terminating connection", "connection already closed", "server closed the connection") &&
		!noDatabase(s)
}

func noDatabase(s string) bool {
	return strings.Contains(s, "FATAL:  database") && strings.Contains(s, "does not exist")
}

// noModel reports whether a module of Odoo's is not installed.
func noModel(s string) bool {
	return strings.HasPrefix(s, "Object ") && strings.HasSuffix(strings.TrimSpace(s), "doesn't exist")
}

// noUser reports whether our own user was deleted since we signed in.
func noUser(s string) bool {
	return strings.HasPrefix(s, "Record does not exist or has been deleted.") && strings.Contains(s, "(Record: res.users(")
}

// notSetUp reports whether one of our fields, or a choice of one, is not there.
func notSetUp(s string) bool {
	return containsAny(s, "Invalid field", "Wrong value for") && strings.Contains(s, ourPrefix)
}

// marshalFault is Odoo's answer after it committed something whose result XML-RPC cannot carry.
func marshalFault(s string) bool {
	return containsAny(s, "cannot marshal None unless allow_none is enabled", "dictionary key must be string")
}

// ignoreCommitted turns Odoo's "done, but I cannot say so" into success.
func ignoreCommitted(err error) error {
	if text, ok := faultText(err, codeTraceback); ok && marshalFault(said(text)) {
		return nil
	}
	return err
}

// denied reports whether Odoo does not know the user or the password, as it says once we had signed in.
func denied(err error) bool {
	_, ok := faultText(err, codeDenied)
	text, business := faultText(err, codeBusiness)
	return ok || business && noUser(text)
}

// faultText is the text of a fault of that code.
func faultText(err error, code int) (string, bool) {
	var fault xmlrpc.FaultError
	if !errors.As(err, &fault) || fault.Code != code {
		return "", false
	}
	return fault.String, true
}

// loadError is what load said instead of creating a record.
type loadError struct{ what, message string }

func (e *loadError) Error() string { return e.what + ": " + e.message }

// soon is when a call that lost to another one is worth trying again.
const soon = 200 * time.Millisecond

// cross makes an error from Odoo cross to the story, in words that say what to do.
func cross(err error) error {
	if err == nil {
		return nil
	}
	var crossed interface{ NonRetryable() bool }
	if errors.As(err, &crossed) {
		return err
	}
	f := Classify(err)
	return f.After(errors.New(advice(f, err)), wish(f, err))
}

// wish is when Odoo, or the proxy before it, wants the next try; 0 leaves it to the policy.
func wish(f protocol.Fault, err error) time.Duration {
	var status *statusError
	var load *loadError
	switch {
	case errors.As(err, &status):
		return status.after
	case errors.As(err, &load) && f == protocol.Transient:
		return soon
	}
	return 0
}

// words are what Odoo said, without its code, or else what went wrong.
func words(err error) string {
	var fault xmlrpc.FaultError
	var load *loadError
	switch {
	case errors.As(err, &fault):
		return lastLine(fault.String)
	case errors.As(err, &load):
		return load.Error()
	}
	return strings.TrimPrefix(err.Error(), "odoo: ")
}

func advice(f protocol.Fault, err error) string {
	message := words(err)
	switch f {
	case protocol.Configuration:
		return message + ": run waybill-admin odoo check, which names what is missing"
	case protocol.Rejected:
		return message
	case protocol.Ambiguous:
		return "no clear answer from Odoo: " + message
	}
	return "Odoo: " + message
}

// said is what a traceback ends with, without the code it went through; any other text is itself.
func said(s string) string {
	s = strings.TrimSpace(s)
	if !strings.HasPrefix(s, "Traceback") {
		return s
	}
	lines := strings.Split(s, "\n")
	last := 0
	for i, l := range lines {
		if strings.HasPrefix(l, "  File ") {
			last = i
		}
	}
	for i, l := range lines[last+1:] {
		if !strings.HasPrefix(l, " ") {
			return strings.Join(lines[last+1+i:], "\n")
		}
	}
	return lines[len(lines)-1]
}

// lastLine is the error a traceback ends with; it holds no code, and none of the details that may be data.
func lastLine(s string) string {
	line := said(s)
	if strings.HasPrefix(strings.TrimSpace(s), "Traceback") {
		line, _, _ = strings.Cut(line, "\n")
	}
	return line
}

func rejectf(format string, args ...any) error {
	return protocol.Rejected.Of(fmt.Errorf(format, args...))
}
