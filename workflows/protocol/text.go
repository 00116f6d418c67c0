package protocol

import (
	"fmt"
	"strings"
	"time"

	"waybill/workflows/freight"
)

// What the Temporal UI shows has limits of Temporal's own; these, in bytes, are well within. A summary over 400 would
// fail the task that carries it, and every task after.
const (
	longestSummary = 200
	longestLine    = 600
	longestPage    = 16_000
)

// Summary cuts a text to what Temporal takes as the summary of a workflow, an activity or a timer.
func Summary(text string) string { return freight.Clip(text, longestSummary) }

// Page is Markdown for the details of a workflow. The zero value is empty.
type Page struct{ text strings.Builder }

// Say adds to the page.
func (p *Page) Say(format string, args ...any) {
	p.text.WriteString(fmt.Sprintf(format, args...)) // Fprintf is not known to be deterministic
}

// String is the page, cut to what Temporal takes.
func (p *Page) String() string { return freight.Clip(p.text.String(), longestPage) }

// Line is a partner's text on one line of a page, at a length that can be read.
func Line(text string) string {
	return freight.Clip(strings.Join(strings.Fields(text), " "), longestLine)
}

// Minute is a time as a page shows it.
func Minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
