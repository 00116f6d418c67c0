package declared

import (
	_ "embed"
	"fmt"
	"strings"

	"waybill/starters/bridge/connectors"
)

// File is one that a scaffold consists of.
type File struct {
	Name    string
	Content []byte
}

//go:embed scaffold.yaml
var scaffoldYAML string

// The sample of a new connector in each content, and the program that reads it.
const (
	sampleJSON = `{"number": "PARCEL-1", "events": [
  {"status": "COLLECTED", "time": "2026-03-09T17:20:00+01:00", "city": "Gent", "country": "BE"},
  {"status": "DONE", "time": "2026-03-10T11:05:30+01:00", "city": "Utrecht", "country": "NL"}]}
`
	sampleXML = `<track><number>PARCEL-1</number>
  <event><status>COLLECTED</status><time>2026-03-09T17:20:00+01:00</time><city>Gent</city><country>BE</country></event>
  <event><status>DONE</status><time>2026-03-10T11:05:30+01:00</time><city>Utrecht</city><country>NL</country></event>
</track>
`
	programJSON = `.number as $n | .events[]
  | {tracking: $n, code: .status, at: .time, city, country}`
	programXML = `.track | .number[0] as $n | .event[]
  | {tracking: $n, code: .status[0], at: .time[0], city: .city[0], country: .country[0]}`
)

// Scaffold is the beginning of a connector: it works, on a sample of its own.
func Scaffold(name, content string) ([]File, error) {
	program, sample := programJSON, sampleJSON
	if content == "xml" {
		program, sample = programXML, sampleXML
	}
	switch {
	case !connectors.NameForm.MatchString(name):
		return nil, fmt.Errorf("%q: want 1 to 40 lower-case letters, digits and '-'", name)
	case content != "json" && content != "xml":
		return nil, fmt.Errorf("%q: want json or xml", content)
	}
	text := strings.NewReplacer("NAME", name, "CARRIER", strings.ToUpper(name)[:min(len(name), 20)], "CONTENT", content, "PROGRAM", program).Replace(scaffoldYAML)
	return []File{{name + ".yaml", []byte(text)}, {Samples(name+".yaml") + "/example." + content, []byte(sample)}}, nil
}
