package odoo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/kolo/xmlrpc"

	"waybill/workflows/protocol"
)

// Classify names the class of an error from Odoo: the one place that knows its answers.
func Classify(err error) protocol.Fault {
	var fault xmlrpc.FaultError
	var status *statusError
	var bad *encodeError
	switch {
	case errors.Is(err, errLogin):
		return protocol.Configuration
	case errors.As(err, &fault):
		return classifyFault(fault)
	case errors.As(err, &status):
		return classifyStatus(status.code)
	case errors.As(err, &bad):
		return protocol.Poison
	case errors.Is(err, syscall.ECONNREFUSED), isLookup(err):
		return protocol.Transient
	case errors.Is(err, errGarbled):
		return protocol.Ambiguous // a proxy's page, or an answer cut off: it may have been done
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), isNet(err):
		return protocol.Ambiguous
	}
	return protocol.Ambiguous
}

func isLookup(err error) bool { var e *net.DNSError; return errors.As(err, &e) }

func isNet(err error) bool { var e net.Error; return errors.As(err, &e) }

func classifyStatus(code int) protocol.Fault {
	switch {
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		return protocol.Throttled
	case code >= 500:
		return protocol.Transient
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound:
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

// denied reports whether Odoo does not know the user or the password, as it says once we had signed in.
func denied(err error) bool {
	var fault xmlrpc.FaultError
	return errors.As(err, &fault) && fault.Code == codeDenied
}

func classifyFault(f xmlrpc.FaultError) protocol.Fault {
	switch {
	case f.Code == codeDenied, f.Code == codeRights:
		return protocol.Configuration
	case f.Code == codeBusiness:
		return protocol.Rejected
	case contended(f.String):
		return protocol.Transient
	case marshalFault(f.String):
		return protocol.Ambiguous
	case strings.Contains(f.String, "does not exist") && strings.Contains(f.String, "FATAL"):
		return protocol.Configuration // no such database
	}
	return protocol.Poison
}

// contended reports whether a text of Odoo's says that another transaction was in the way.
func contended(s string) bool {
	for _, t := range []string{"could not serialize", "SerializationFailure", "deadlock detected", "Connection Pool Is Full", "LockNotAvailable", "could not obtain lock"} {
		if strings.Contains(s, t) {
			return true
		}
	}
	return false
}

// marshalFault is Odoo's answer after it committed something whose result XML-RPC cannot carry.
func marshalFault(s string) bool {
	return strings.Contains(s, "cannot marshal None unless allow_none is enabled") || strings.Contains(s, "dictionary key must be string")
}

// cross makes an error from Odoo cross to the story, in words that say what to do.
func cross(err error) error {
	if err == nil {
		return nil
	}
	f := Classify(err)
	var status *statusError
	if errors.As(err, &status) {
		return f.After(err, status.after)
	}
	return f.Of(errors.New(advice(f, err)))
}

// words are what Odoo said, without its code, or else what went wrong.
func words(err error) string {
	var fault xmlrpc.FaultError
	if errors.As(err, &fault) {
		return lastLine(fault.String)
	}
	return err.Error()
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

// lastLine is what a traceback ends with; it holds no code of ours and no data.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	if !strings.HasPrefix(s, "Traceback") {
		return s
	}
	return s[strings.LastIndex(s, "\n")+1:]
}

// ignoreCommitted turns Odoo's "done, but I cannot say so" into success.
func ignoreCommitted(err error) error {
	var fault xmlrpc.FaultError
	if errors.As(err, &fault) && marshalFault(fault.String) {
		return nil
	}
	return err
}

func rejectf(format string, args ...any) error {
	return protocol.Rejected.Of(fmt.Errorf(format, args...))
}
