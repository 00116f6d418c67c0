package protocol

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
)

// A Fault is the class of an error as it crosses from an activity to a story: each has one policy.
type Fault string

// The faults.
const (
	Transient     Fault = "transient"     // down, reset, 5xx: tried again
	Throttled     Fault = "throttled"     // told to wait: tried again after the time given
	Ambiguous     Fault = "ambiguous"     // no answer, it may have been done: tried again, by the same key only
	Configuration Fault = "configuration" // wrong credentials or missing rights: tried again after a minute and ever less often, said once
	Rejected      Fault = "rejected"      // the partner says no, for a reason: parks the shipment
	Poison        Fault = "poison"        // an answer that cannot be understood, or a bug: parks the shipment
	NoContract    Fault = "no-contract"   // the billing engine has no contract for it: held by RATE-3
	FactsChanged  Fault = "facts-changed" // what was validated is no longer so in Odoo: validated again
	NotOurs       Fault = "not-ours"      // the delivery is claimed by another shipment, or is no delivery to carry
)

// configurationDelay is how soon a call with wrong credentials, or without a right, is tried again at first: it needs no
// restart to recover and makes no storm. It doubles with each attempt, to longestDelay: what is wrong for one record
// alone may stay so for weeks.
const configurationDelay = time.Minute

// longestDelay caps what a partner may ask us to wait, its call and all others: one absurd Retry-After must not stop a
// shipment, or a queue, for hours.
const longestDelay = 15 * time.Minute

func (f Fault) retryable() bool {
	switch f {
	case Transient, Throttled, Ambiguous, Configuration:
		return true
	}
	return false
}

// Of makes err cross as f. The message is what operators read, so it says what to do next.
func (f Fault) Of(err error) error { return f.After(err, 0) }

// After is Of with the partner's own wish for when to try again; 0 leaves it to the policy.
func (f Fault) After(err error, delay time.Duration) error {
	if f == Configuration && delay == 0 {
		delay = configurationDelay
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), string(f), temporal.ApplicationErrorOptions{
		NonRetryable: !f.retryable(), NextRetryDelay: min(delay, longestDelay), Cause: err,
	})
}

// patient makes what is wrong for this call come back less often with each attempt. Where it is wrong for all, they do
// not come: they wait in their queue.
func patient(err error, attempt int32) error {
	var e *temporal.ApplicationError
	if FaultOf(err) != Configuration || !errors.As(err, &e) {
		return err
	}
	const doublings = 4 // to 16 minutes, of which the cap leaves 15
	return Configuration.After(errors.New(e.Message()), max(e.NextRetryDelay(), configurationDelay<<min(max(attempt-1, 0), doublings)))
}

// FaultOf returns the fault that err crossed under; Poison for an error that names none of ours, since
// nobody has said that trying again is safe.
func FaultOf(err error) Fault {
	var e *temporal.ApplicationError
	if errors.As(err, &e) {
		switch f := Fault(e.Type()); f {
		case Transient, Throttled, Ambiguous, Configuration, Rejected, Poison, NoContract, FactsChanged, NotOurs:
			return f
		}
	}
	return Poison
}

// Unanswered reports whether err leaves open what became of a call: it was cancelled, its worker fell silent, or it
// failed in a way that is tried again.
func Unanswered(err error) bool {
	var late *temporal.TimeoutError
	if err == nil {
		return false
	}
	return temporal.IsCanceledError(err) || errors.As(err, &late) || FaultOf(err).retryable()
}

// Words is the message of err for a person, without Temporal's wrapping.
func Words(err error) string {
	var e *temporal.ApplicationError
	if errors.As(err, &e) {
		return e.Message()
	}
	return err.Error()
}

// classified makes err cross as the fault it names, also where a fault is wrapped: Temporal knows only the outermost
// error. One that names none of ours is Poison. One of a call that was called off, or ran out of time, stays what it is.
func classified(ctx context.Context, err error) error {
	var e *temporal.ApplicationError
	named := errors.As(err, &e)
	switch {
	case err == nil || ctx.Err() != nil || temporal.IsCanceledError(err):
		return err
	case !named && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		return err
	case !named:
		return Poison.Of(err)
	case err == error(e) && Fault(e.Type()) == FaultOf(err):
		return err
	}
	words := strings.Replace(err.Error(), e.Error(), e.Message(), 1)
	return FaultOf(err).After(errors.New(words), e.NextRetryDelay())
}
