package connectors

import "strings"

// ByHand is the source of what a person puts into the inbox. No source of the configuration can be called so.
const ByHand = "by_hand"

// sourceURN begins the name of a source in an event.
const sourceURN = "urn:waybill:source:"

// SourceURN is how an event names a source of ours.
func SourceURN(source string) string { return sourceURN + source }

// saidBy is whose word an event is: that of the source it came from. What a person takes back is the word of the source
// that said it, for nobody else's is undone by it.
func saidBy(e Event, source string) string {
	if said, ok := strings.CutPrefix(e.Source, sourceURN); ok && source == ByHand {
		return said
	}
	return source
}
