package declared_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/starters/bridge/authn"
	"waybill/starters/bridge/connectors"
	"waybill/starters/bridge/connectors/declared"
	"waybill/workflows/freight"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

func delivery(body string) store.Delivery {
	return store.Delivery{Source: "acme", Body: []byte(body), ReceivedAt: noon}
}

// definition is a connector with a program, a content and other lines.
func definition(content, program string, more ...string) string {
	indented := strings.ReplaceAll(program, "\n", "\n  ")
	return "name: acme\nversion: 1\nowner: o\ncontact: c\ncarrier: ACME\nauth: github\ncontent: " + content + "\nprogram: |\n  " + indented + "\ncodes: {A: picked_up, B: delivered}\n" + strings.Join(more, "\n")
}

func parse(t testing.TB, text string) *declared.Connector {
	t.Helper()
	c, err := declared.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const plain = `{tracking: .n, code: .c, at: .t}`

func TestShippedConnectorsPassTheirSamplesInUnderThirtyLinesEach(t *testing.T) {
	f, err := declared.Shipped()
	if err != nil || len(f.Faults()) > 0 || len(f.All()) != 3 {
		t.Fatalf("%d in use, faults %v, %v", len(f.All()), f.Faults(), err)
	}
	files, err := filepath.Glob("shipped/*.yaml")
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if lines := strings.Count(string(text), "\n"); err != nil || lines >= 30 {
			t.Errorf("%s: %d lines, %v", file, lines, err)
		}
	}
}

// TestEveryRowOfEveryShippedMappingMeansWhatItSays gives each code to its connector, in the connector's own sample.
func TestEveryRowOfEveryShippedMappingMeansWhatItSays(t *testing.T) {
	f, err := declared.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	body := map[string]func(code string) string{
		"gls": func(code string) string {
			return `{"parcels":[{"unitno":"1","events":[{"code":"` + code + `","eventDateTime":"2026-11-20T08:00:00+0100","city":"","country":"DE"}]}]}`
		},
		"dpd": func(code string) string {
			return `<Envelope><Body><getTrackingDataResponse><trackingresult><shipmentInfo><parcelLabelNumber>1</parcelLabelNumber></shipmentInfo><statusInfo><status>` + code + `</status><statusHasBeenReached>true</statusHasBeenReached><location><content>Gent</content></location><date><content>3/9/2026 5:20:00 PM</content></date></statusInfo></trackingresult></getTrackingDataResponse></Body></Envelope>`
		},
		"landmark": func(code string) string {
			return `<TrackResponse><Result><Packages><Package><TrackingNumber>1</TrackingNumber><Events><Event><EventCode>` + code + `</EventCode><DateTime>03/12/2026 08:15 AM</DateTime><Location>Utrecht, NL</Location></Event></Events></Package></Packages></Result></TrackResponse>`
		},
	}
	for _, c := range f.All() {
		for code, row := range c.Codes {
			es, err := c.Explain(delivery(body[c.Name](code)), noon)
			if err != nil || len(es) != 1 || es[0].Code != code || es[0].Scan.Milestone != row.Milestone || es[0].Scan.Reason != string(row.Reason) || es[0].Scan.RawCode != code {
				t.Errorf("%s: %s: %+v, %v", c.ID(), code, es, err)
			}
		}
	}
}

func TestDefinitionThatCannotBeIsRefusedInWords(t *testing.T) {
	for name, c := range map[string]struct{ yaml, want string }{
		"a misspelt key":              {definition("json", plain, "limit: {bytes: 1}"), "limit"},
		"another content":             {definition("csv", plain), "content"},
		"a program that is none":      {definition("json", `.a | {`), "program: after"},
		"a function there is not":     {definition("json", `teleport`), "teleport"},
		"the clock":                   {definition("json", `{tracking: .n, code: .c, at: (now | todate)}`), "now is not allowed"},
		"the environment":             {definition("json", `{tracking: env.HOME, code: .c, at: .t}`), "env is not allowed"},
		"the environment, by $ENV":    {definition("json", `{tracking: $ENV.HOME, code: .c, at: .t}`), "$ENV is not allowed"},
		"more input":                  {definition("json", `[inputs] | .[0]`), "inputs is not allowed"},
		"an end of the process":       {definition("json", `def f: halt; f`), "halt is not allowed"},
		"an end deep inside":          {definition("json", `if .a then [.b[] | (try halt_error catch .)] else . end`), "halt_error is not allowed"},
		"output for people":           {definition("json", `debug`), "debug is not allowed"},
		"a module":                    {definition("json", `import "a" as a; .`), "program"},
		"a body without end":          {definition("json", plain, "limits: {bytes: 99999999}"), "limits.bytes"},
		"a minute for each":           {definition("json", plain, "limits: {time: 1m}"), "limits.time"},
		"a nest too deep":             {definition("json", plain, "limits: {depth: 1000}"), "limits.depth"},
		"a zone there is not":         {definition("json", plain, "zone: Mars/Olympus"), "zone"},
		"a layout that is none":       {definition("json", plain, `layouts: ["dd/mm/yyyy"]`), "layouts"},
		"a proof nobody knows":        {strings.Replace(definition("json", plain), "auth: github", "auth: trust", 1), "trust"},
		"a proof that proves nothing": {strings.Replace(definition("json", plain), "auth: github", "auth: {profile: hmac}", 1), "auth.header"},
		"a misspelt proof":            {strings.Replace(definition("json", plain), "auth: github", "auth: {profle: hmac}", 1), "profle"},
		"nobody who answers":          {strings.Replace(definition("json", plain), "owner: o", "owner: ''", 1), "owner"},
	} {
		if _, err := declared.Parse([]byte(c.yaml)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want words about %q", name, err, c.want)
		}
	}
}

func TestBodyThatIsNoGoodIsRefusedInWords(t *testing.T) {
	deep := strings.Repeat(`[`, 40) + strings.Repeat(`]`, 40)
	nested := strings.Repeat(`<a>`, 40) + strings.Repeat(`</a>`, 40)
	const bomb = `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">]><a>&lol2;</a>`
	for name, c := range map[string]struct{ content, program, body, want string }{
		"a key twice":                   {"json", plain, `{"n":"1","x":{"c":1,"c":2}}`, "/x/c: the key comes twice"},
		"deep nesting":                  {"json", plain, deep, "nested more than 32 deep"},
		"something after the end":       {"json", plain, `{} {}`, "after its end"},
		"cut short":                     {"json", plain, `{"n":`, "not JSON"},
		"nothing":                       {"json", plain, ``, "not JSON"},
		"an entity bomb":                {"xml", plain, bomb, "document type"},
		"a document type alone":         {"xml", plain, `<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>`, "document type"},
		"an entity without its type":    {"xml", plain, `<a>&lol;</a>`, "not XML"},
		"deep elements":                 {"xml", plain, nested, "nests more than 32 deep"},
		"XML cut short":                 {"xml", plain, `<a><b>`, "not XML"},
		"two elements":                  {"xml", plain, `<a/><b/>`, "want one element"},
		"an encoding there is not":      {"xml", plain, `<?xml version="1.0" encoding="klingon"?><a/>`, "klingon"},
		"a loop":                        {"json", `def f: f; f`, `{}`, "took more than 50ms"},
		"a loop that makes events":      {"json", `repeat({tracking: "1", code: "A", at: ""})`, `{}`, "took more than|more than 10000 events"},
		"no object":                     {"json", `"A"`, `{}`, "event 1: it is string"},
		"a word nobody knows":           {"json", `{trakcing: "1"}`, `{}`, "trakcing: want one of"},
		"an object for a text":          {"json", `{tracking: {a: 1}}`, `{}`, "tracking: it is object"},
		"a classifier nobody knows":     {"json", `{tracking: "1", code: "A", classifier: "maybe"}`, `{}`, "maybe"},
		"a time nobody reads":           {"json", `{tracking: "1", code: "A", at: "noon"}`, `{}`, `the time "noon"`},
		"what the program itself says":  {"json", `error("send version 2")`, `{}`, "send version 2"},
		"no event":                      {"json", `empty`, `{}`, "no event"},
		"a number that is not a number": {"json", plain, `{"n": NaN}`, "not JSON"},
	} {
		x := parse(t, definition(c.content, c.program, "limits: {time: 50ms}"))
		in, err := x.Decode(delivery(c.body), noon)
		if err == nil || !oneOf(err.Error(), c.want) {
			t.Errorf("%s: %d scans, %v; want words about %q", name, len(in), err, c.want)
		}
	}
}

// oneOf reports whether a text has one of the parts that a bar divides.
func oneOf(text, parts string) bool {
	for part := range strings.SplitSeq(parts, "|") {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

func TestBodyOverItsLimitIsRefused(t *testing.T) {
	x := parse(t, definition("xml", plain, "limits: {bytes: 1000000}"))
	if _, err := x.Decode(delivery(`<a>`+strings.Repeat(`<b/>`, 100_001)+`</a>`), noon); err == nil || !strings.Contains(err.Error(), "100000 elements") {
		t.Errorf("100,001 elements: %v", err)
	}
	x = parse(t, definition("json", plain, "limits: {bytes: 10}"))
	if _, err := x.Decode(delivery(`{"n":"12345"}`), noon); err == nil || !strings.Contains(err.Error(), "over 10 bytes") {
		t.Errorf("13 bytes of 10: %v", err)
	}
}

func TestXMLIsReadInOneWay(t *testing.T) {
	const body = `<?xml version="1.0" encoding="ISO-8859-1"?>
<x:track xmlns:x="urn:x" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <x:number kind="parcel"> 00123 </x:number><city>Li` + "\xe8" + `ge &amp; Gent</city><event xsi:nil="true"><code>A</code></event><event><code>B</code></event>
</x:track>`
	x := parse(t, definition("xml", `.track | (.number[0] | ."#text" + .["@kind"]) as $n | .city[0] as $city | .event[] | {tracking: $n, $city, code: .code[0], at: "2026-11-20T08:00:00Z"}`))
	es, err := x.Explain(delivery(body), noon)
	if err != nil || len(es) != 2 {
		t.Fatalf("%d events, %v", len(es), err)
	}
	if es[0].References[0].Value != "00123parcel" || es[0].Reading.Place.City != "Liège & Gent" || es[1].Scan.Milestone != freight.Delivered {
		t.Errorf("%+v", es)
	}
}

func TestOneElementAndSeveralAreReadAlike(t *testing.T) {
	x := parse(t, definition("xml", `.t.e[] | {tracking: "1", code: .c[0], at: .t[0]}`))
	for n, body := range map[int]string{
		1: `<t><e><c>A</c><t>2026-11-20T08:00:00Z</t></e></t>`, 2: `<t><e><c>A</c><t>2026-11-20T08:00:00Z</t></e><e><c>B</c><t>2026-11-20T09:00:00Z</t></e></t>`,
	} {
		if in, err := x.Decode(delivery(body), noon); err != nil || len(in) != n {
			t.Errorf("%d elements: %d scans, %v", n, len(in), err)
		}
	}
}

func TestLongNumbersKeepTheirDigits(t *testing.T) {
	x := parse(t, definition("json", plain))
	es, err := x.Explain(delivery(`{"n": 92055901649173127510, "c": "A", "t": "2026-11-20T08:00:00Z"}`), noon)
	if err != nil || es[0].References[0].Value != "92055901649173127510" {
		t.Errorf("%+v, %v", es, err)
	}
}

func TestPartnersOwnTimesAreReadInItsZone(t *testing.T) {
	x := parse(t, definition("json", plain, "zone: Europe/Brussels", `layouts: ["02/01/2006 15:04"]`))
	for told, c := range map[string]struct {
		at   string
		zone freight.ZoneSource
	}{
		"09/03/2026 17:20":          {"2026-03-09T16:20:00Z", freight.ZoneFromCarrier},
		"2026-03-09T17:20:00-05:00": {"2026-03-09T22:20:00Z", freight.ZoneFromPayload},
	} {
		in, err := x.Decode(delivery(`{"n":"1","c":"A","t":"`+told+`"}`), noon)
		if err != nil || in[0].Scan.OccurredAt.Format(time.RFC3339) != c.at || in[0].Scan.ZoneSource != c.zone {
			t.Errorf("%s: %+v, %v", told, in, err)
		}
	}
}

func TestEveryWordOfAProgramIsTaken(t *testing.T) {
	image := "iVBORw0KGgpzaWduYXR1cmU="
	text := strings.ReplaceAll(definition("json", `{code: ["Z", "A"], also: "A", why: "weather_delay", at: "2026-11-20T08:00:00Z", carrier: "other", tracking: ["1", "2"], pro: "p", bol: "b", shipment: "acme-1", order: "S1", reference: "r", city: "Gent", state: "OV", country: "BE", text: "t", parcel: "x", parcels: 1, delivered: 1, whole: true, leg: "l", signer: "J DOE", signature: IMAGE, photo: IMAGE, document: IMAGE, proof_url: "https://example.com/pod", eta: null, classifier: "actual", statement: "e1", retracts: "", test: false}`), "IMAGE", `"`+image+`"`)
	es, err := parse(t, text).Explain(delivery(`{}`), noon)
	if err != nil {
		t.Fatal(err)
	}
	e := es[0]
	if e.Scan.Milestone != freight.PickedUp || e.Scan.RawCode != "Z" || e.Scan.Carrier != "OTHER" || e.Scan.FaultParty != freight.FaultForceMajeure || len(e.References) != 7 || e.Reading.Place != (connectors.Place{City: "Gent", State: "OV", Country: "BE"}) {
		t.Errorf("%+v", e)
	}
	kinds := map[freight.DocumentKind]int{}
	for _, d := range e.Scan.Documents {
		kinds[d.Kind]++
	}
	if kinds[freight.DocumentPhoto] != 1 || kinds[freight.DocumentPOD] != 1 || kinds[freight.DocumentSignature] != 2 {
		t.Errorf("documents %v", kinds)
	}
}

func FuzzXML(f *testing.F) {
	for _, name := range []string{"shipped/dpd.samples/shop.xml", "shipped/landmark.samples/delivered.xml"} {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(body))
	}
	f.Add(`<!DOCTYPE a><a/>`)
	f.Add(`<a b="c">d<e/></a>`)
	x := parse(f, definition("xml", `[.. | strings] | {tracking: (.[0] // "1"), code: (.[1] // "A"), at: "2026-11-20T08:00:00Z", text: join(" ")}`))
	f.Fuzz(func(t *testing.T, body string) { check(t, x, body) })
}

func FuzzProgram(f *testing.F) {
	f.Add(`{"n":"1","c":"A","t":"2026-11-20T08:00:00Z"}`)
	f.Add(`[{"n":1e400,"c":[null,true],"t":"x"}]`)
	x := parse(f, definition("json", `.. | objects | {tracking: (.n? // empty), code: .c?, at: .t?}`))
	f.Fuzz(func(t *testing.T, body string) { check(t, x, body) })
}

// check wants scans that can be, or a refusal in words.
func check(t *testing.T, x *declared.Connector, body string) {
	es, err := x.Explain(delivery(body), noon)
	if err != nil {
		if err.Error() == "" || len(es) > 0 {
			t.Fatalf("refused without words, or with %d scans", len(es))
		}
		return
	}
	for _, e := range es {
		if len(e.References) == 0 && e.Surprise == "" || len(e.Scan.Key) != 64 || !e.Scan.Milestone.Known() && !e.Silent {
			t.Fatalf("%+v", e)
		}
	}
}

// BenchmarkVerifyAndDecode takes deliveries through verification and a jq program, without a store. The aim is 2,000 a
// second on two cores.
func BenchmarkVerifyAndDecode(b *testing.B) {
	const secret = "correct horse battery"
	text, err := os.ReadFile("shipped/gls.yaml")
	if err != nil {
		b.Fatal(err)
	}
	body, err := os.ReadFile("shipped/gls.samples/delivered.json")
	if err != nil {
		b.Fatal(err)
	}
	x := parse(b, string(text))
	v, err := authn.New(x.Auth.Profile)
	if err != nil {
		b.Fatal(err)
	}
	r := authn.Request{Header: http.Header{"X-Api-Key": {secret}}, Body: body}
	b.ReportAllocs()
	before := processor(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := v.Verify(r, noon, []string{secret}); err != nil {
				b.Error(err)
			}
			if in, err := x.Decode(delivery(string(body)), noon); err != nil || len(in) != 4 {
				b.Error(len(in), err)
			}
		}
	})
	b.ReportMetric(2*float64(b.N)/(processor(b)-before).Seconds(), "deliveries/2-core-s")
	b.ReportMetric(float64(len(body)), "bytes")
}
