package odoo_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"waybill/activities/odoo"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// answering is an Odoo that lets one in, and then gives the same answer to every call.
func answering(t *testing.T, answer func(w http.ResponseWriter)) *odoo.Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if strings.HasSuffix(r.URL.Path, "/common") {
			_, _ = io.WriteString(w, "<?xml version='1.0'?><methodResponse><params><param><value><int>2</int></value></param></params></methodResponse>")
			return
		}
		answer(w)
	}))
	t.Cleanup(srv.Close)
	return odoo.New(odoo.Options{URL: srv.URL, DB: "demo", Login: "admin", Password: func() (string, error) { return "admin", nil }, Timeout: 5 * time.Second})
}

func body(text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/xml")
		_, _ = io.WriteString(w, text)
	}
}

func status(code int, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "<!doctype html><title>Internal Server Error</title>")
	}
}

func faultXML(code int, text string) func(http.ResponseWriter) {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text))
	return body(fmt.Sprintf("<?xml version=\"1.0\"?>\n<methodResponse>\n<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n<value><int>%d</int></value>\n</member>\n<member>\n<name>faultString</name>\n<value><string>%s</string></value>\n</member>\n</struct></value>\n</fault>\n\n</methodResponse>\n", code, b.String()))
}

// trace is a fault of Odoo's own making, as it sends one.
func trace(last string) func(http.ResponseWriter) {
	return faultXML(1, "Traceback (most recent call last):\n  File \"/usr/lib/python3/dist-packages/odoo/addons/rpc/controllers/xmlrpc.py\", line 161, in xmlrpc_2\n    response = self._xmlrpc(service)\n               ~~~~~~~~~~~~^^^^^^^^^\n  File \"/usr/lib/python3/dist-packages/odoo/http.py\", line 438, in dispatch_rpc\n    return dispatch(method, params) # could not serialize access\n"+last+"\n")
}

// answers are what Odoo 19 was seen to answer, to the letter, by what it means.
var answers = map[string]struct {
	answer func(http.ResponseWriter)
	want   protocol.Fault
	words  string
}{
	"wrong password":                {faultXML(3, "Access Denied"), protocol.Configuration, `login or password is wrong for "admin" in database "demo"`},
	"no right":                      {faultXML(4, "You are not allowed to access 'Sales Order' (sale.order) records.\n\nThis operation is allowed for the following groups:\n\t- Sales/User"), protocol.Configuration, "run waybill-admin odoo check"},
	"record rule":                   {faultXML(4, "Uh-oh! Looks like you have stumbled upon some top-secret records.\n\nSorry, Shipment bridge (id=7) doesn't have 'create' access to:"), protocol.Configuration, "top-secret"},
	"private method":                {faultXML(4, "Private methods (such as 'sale.order._create_invoices') cannot be called remotely."), protocol.Configuration, "Private methods"},
	"user deleted":                  {faultXML(2, "Record does not exist or has been deleted.\n(Record: res.users(9999,), User: 9999)"), protocol.Configuration, "login or password is wrong"},
	"module not installed":          {faultXML(2, "Object base.automation doesn't exist"), protocol.Configuration, "base.automation"},
	"business":                      {faultXML(2, "Even magicians can't post nothing!"), protocol.Rejected, "magicians"},
	"not in draft":                  {faultXML(2, "The entry INV/2026/00010 (id 57) must be in draft."), protocol.Rejected, "must be in draft"},
	"record gone":                   {faultXML(2, "Record does not exist or has been deleted.\n(Record: sale.order(9,), User: 2)"), protocol.Rejected, "sale.order(9,)"},
	"integrity":                     {faultXML(2, "The operation cannot be completed: You can not have two users with the same login!"), protocol.Rejected, "two users"},
	"missing method":                {trace("AttributeError: The method 'res.partner.nope' does not exist"), protocol.Poison, "res.partner.nope"},
	"unknown argument":              {trace("TypeError: BaseModel._read_format() got an unexpected keyword argument 'nope'"), protocol.Poison, "_read_format"},
	"integer overflow":              {trace("psycopg2.errors.NumericValueOutOfRange: integer out of range"), protocol.Poison, "out of range"},
	"somebody's field missing":      {trace("ValueError: Invalid field 'nope' on 'stock.picking'"), protocol.Poison, "nope"},
	"our field missing":             {trace("ValueError: Invalid field 'x_waybill_proof' on 'stock.picking'"), protocol.Configuration, "x_waybill_proof"},
	"our field missing in a domain": {trace("ValueError: Invalid field stock.picking.x_waybill_shipment in condition ('x_waybill_shipment', '=', False)"), protocol.Configuration, "x_waybill_shipment"},
	"our field missing in load":     {trace("ValueError: Invalid field name 'x_waybill_lines_hash'"), protocol.Configuration, "odoo check"},
	"our choice missing":            {trace("ValueError: Wrong value for stock.picking.x_waybill_status: 'lost'"), protocol.Configuration, "x_waybill_status"},
	"wrong database":                {trace("psycopg2.OperationalError: connection to server on socket \"/var/run/postgresql/.s.PGSQL.5432\" failed: FATAL:  database \"nodb\" does not exist"), protocol.Configuration, "nodb"},
	"wrong service":                 {trace("KeyError: 'nope'"), protocol.Poison, "KeyError"},
	"malformed call":                {trace("xml.parsers.expat.ExpatError: unclosed token: line 1, column 0"), protocol.Poison, "ExpatError"},
	"retries exhausted":             {trace("psycopg2.errors.SerializationFailure: could not serialize access due to concurrent update"), protocol.Transient, "serialize"},
	"deadlock":                      {trace("psycopg2.errors.DeadlockDetected: deadlock detected\nDETAIL:  Process 1 waits for ShareLock on transaction 2; blocked by process 3.\nHINT:  See server log for query details."), protocol.Transient, "deadlock detected"},
	"row locked":                    {trace("psycopg2.errors.LockNotAvailable: could not obtain lock on row in relation \"account_move\""), protocol.Transient, "lock"},
	"pool full as a fault":          {trace("psycopg2.pool.PoolError: The Connection Pool Is Full"), protocol.Transient, "Pool"},
	"pool full as a page":           {status(500, "Content-Type", "text/html"), protocol.Transient, "HTTP 500"},
	"database down":                 {trace("psycopg2.OperationalError: connection to server on socket \"/var/run/postgresql/.s.PGSQL.5432\" failed: No such file or directory\n\tIs the server running locally and accepting connections on that socket?"), protocol.Transient, "connection to server"},
	"database restarting":           {trace("psycopg2.OperationalError: connection to server at \"db\", port 5432 failed: FATAL:  the database system is starting up"), protocol.Transient, "starting up"},
	"database killed the session":   {trace("psycopg2.errors.AdminShutdown: terminating connection due to administrator command"), protocol.Transient, "terminating"},
	"nothing to return":             {trace("TypeError: cannot marshal None unless allow_none is enabled"), protocol.Ambiguous, "no clear answer"},
	"keys that are no text":         {trace("TypeError: dictionary key must be string"), protocol.Ambiguous, "no clear answer"},
	"overloaded":                    {status(503, "Retry-After", "7"), protocol.Throttled, "HTTP 503"},
	"told to wait":                  {status(429, "Retry-After", "7"), protocol.Throttled, "HTTP 429"},
	"proxy gave up":                 {status(504), protocol.Ambiguous, "HTTP 504"},
	"proxy without Odoo":            {status(502), protocol.Ambiguous, "HTTP 502"},
	"moved":                         {status(301, "Location", "https://odoo.example.com/xmlrpc/2/object"), protocol.Configuration, "https://odoo.example.com"},
	"no Odoo there":                 {status(404), protocol.Configuration, "HTTP 404"},
	"too large for the proxy":       {status(413), protocol.Configuration, "HTTP 413"},
	"a proxy's page":                {body("<!doctype html><html><body>Please sign in</body></html>"), protocol.Ambiguous, "cannot be read"},
	"an empty answer":               {body(""), protocol.Ambiguous, "cannot be read"},
	"an answer cut off":             {body("<?xml version='1.0'?><methodResponse><params><param><value><array><data><value><int>4"), protocol.Ambiguous, "cannot be read"},
	"a fault without its end":       {body("<?xml version='1.0'?><methodResponse><fault><value><struct><member><name>faultCode</name><value><int>2</int></value></member><member><name>faultString</name><value><string>no</string></value></member></struct></value>"), protocol.Ambiguous, "cannot be read"},
	"a value, and then nothing":     {body("<?xml version='1.0'?><methodResponse><params><param><value><boolean>1</boolean></value>"), protocol.Ambiguous, "cannot be read"},
}

// TestEachAnswerOfOdoosHasItsClass runs through them.
func TestEachAnswerOfOdoosHasItsClass(t *testing.T) {
	for name, tt := range answers {
		t.Run(name, func(t *testing.T) {
			s := &odoo.Status{Odoo: answering(t, tt.answer)}
			_, err := s.UpdateStatus(t.Context(), protocol.StatusUpdate{Shipment: "test-1", Picking: 1, Revision: 1})
			if name == "nothing to return" || name == "keys that are no text" {
				if err != nil {
					t.Errorf("what was committed is no success: %v", err)
				}
				_, err = s.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: "test-1", Picking: 1}) // a read must have its answer
			}
			says(t, err, tt.want, tt.words)
			if words := protocol.Words(err); strings.Contains(words, "Traceback") || strings.Contains(words, "DETAIL") || strings.Contains(words, "dist-packages") {
				t.Errorf("%q carries code or data", words)
			}
		})
	}
}

// TestWhatLoadSaysInMessagesHasItsClassToo: load answers with a message where other methods raise a fault.
func TestWhatLoadSaysInMessagesHasItsClassToo(t *testing.T) {
	for name, tt := range map[string]struct {
		message string
		want    protocol.Fault
	}{
		"lost to another":     {"could not serialize access due to concurrent update\n", protocol.Transient},
		"after it lost":       {"Unknown error during import: <class 'psycopg2.errors.InFailedSqlTransaction'>: current transaction is aborted, commands ignored until end of transaction block", protocol.Transient},
		"deadlock":            {"deadlock detected\nDETAIL:  Process 1", protocol.Transient},
		"no right":            {"You are not allowed to create 'Journal Entry' (account.move) records.\n\nThis operation is allowed for the following groups:", protocol.Configuration},
		"no right to write":   {"The requested operation cannot be completed due to security restrictions. Please contact your system administrator.\n\n(Document type: Message, Operation: create)", protocol.Configuration},
		"record rule":         {"Uh-oh! Looks like you have stumbled upon some top-secret records.", protocol.Configuration},
		"company not allowed": {"Access to unauthorized or invalid companies.", protocol.Configuration},
		"value not there":     {"No matching record found for database id '999999' in field 'Partner'", protocol.Rejected},
		"business":            {"You cannot modify the following readonly fields on a posted move: ref", protocol.Rejected},
		"key of another":      {"For external id waybill.pod_test-1_a when trying to create/update a record of model ir.attachment found record of different model account.move (59919)", protocol.Rejected},
	} {
		t.Run(name, func(t *testing.T) {
			var escaped strings.Builder
			_ = xml.EscapeText(&escaped, []byte(tt.message))
			c := answering(t, body("<?xml version=\"1.0\"?><methodResponse><params><param><value><struct><member><name>ids</name><value><boolean>0</boolean></value></member><member><name>messages</name><value><array><data><value><struct><member><name>type</name><value><string>error</string></value></member><member><name>message</name><value><string>"+escaped.String()+"</string></value></member></struct></value></data></array></value></member></struct></value></param></params></methodResponse>"))
			_, err := (&odoo.Status{Odoo: c, Documents: papers{podHash: pod}}).UpdateStatus(t.Context(), proof(freight.Release{Picking: 1}, "test-1", 1))
			says(t, err, tt.want, strings.SplitN(tt.message, "\n", 2)[0])
			var app *temporal.ApplicationError
			if errors.As(err, &app) && tt.want == protocol.Transient && (app.NextRetryDelay() <= 0 || app.NextRetryDelay() > time.Second) {
				t.Errorf("tried again after %s, want soon", app.NextRetryDelay())
			}
		})
	}
}

// TestAbsurdRetryAfterIsHeldToAQuarterOfAnHour, also one that no duration holds.
func TestAbsurdRetryAfterIsHeldToAQuarterOfAnHour(t *testing.T) {
	_, err := (&odoo.Status{Odoo: answering(t, status(503, "Retry-After", "99999999999"))}).UpdateStatus(t.Context(), protocol.StatusUpdate{})
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || app.NextRetryDelay() != 15*time.Minute {
		t.Errorf("%v", err)
	}
}

func TestRetryAfterIsPassedOn(t *testing.T) {
	_, err := (&odoo.Status{Odoo: answering(t, status(503, "Retry-After", "7"))}).UpdateStatus(t.Context(), protocol.StatusUpdate{})
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || app.NextRetryDelay() != 7*time.Second {
		t.Errorf("%v: want a retry after 7 s", err)
	}
}

// TestOdooThatIsDownIsNotADoubt: nothing reached it, so nothing was done.
func TestOdooThatIsDownIsNotADoubt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	_ = l.Close()
	c := odoo.New(odoo.Options{URL: url, DB: "demo", Login: "admin", Password: func() (string, error) { return "hunter2", nil }})
	_, err = (&odoo.Status{Odoo: c}).ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: "test-1", Picking: 1})
	says(t, err, protocol.Transient, "refused")
}

// TestWordsHoldNoPassword for whatever goes wrong with a call.
func TestWordsHoldNoPassword(t *testing.T) {
	h := newHouse(t)
	wrong := odoo.New(odoo.Options{URL: h.proxy.URL, DB: h.at.db, Login: "admin", Password: func() (string, error) { return "hunter2", nil }})
	s := &odoo.Status{Odoo: wrong}
	_, err := s.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: "test-1", Picking: 1})
	var app *temporal.ApplicationError
	says(t, err, protocol.Configuration, "odoo check")
	if !errors.As(err, &app) || app.NonRetryable() || app.NextRetryDelay() < time.Minute || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v: want a configuration fault that is tried again in a minute, and no password", err)
	}
}
