// Package protocol is everything that crosses a process: workflows, activities, signals, queries, faults, task
// queues, search attributes and ids, each by name and type, once. Sender and receiver cannot disagree.
//
// The names are on the wire and in histories: none is ever renamed or reused. A new meaning gets a new name.
package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"waybill/internal/sabotage"
)

// An Activity is a name with the types on both ends of it, the queue it is served from and its policy.
type Activity[In, Out any] struct {
	Name   string
	Queue  string
	Policy Policy
}

// Start runs the activity and returns its future; Get on it fills an Out. The summary is what operators
// read beside it in the Temporal UI: no personal data, cut to what the server takes.
func (a Activity[In, Out]) Start(ctx workflow.Context, in In, summary string) workflow.Future {
	return workflow.ExecuteActivity(a.With(ctx, summary), a.Name, in)
}

// With is ctx with the activity's own options.
func (a Activity[In, Out]) With(ctx workflow.Context, summary string) workflow.Context {
	o := a.Policy.options()
	o.TaskQueue, o.Summary = a.Queue, Summary(summary)
	return workflow.WithActivityOptions(ctx, o)
}

// Serve binds the activity to its implementation. While the implementation runs, its worker heartbeats, so
// that a cancellation reaches it and a dead worker is noticed. An error that names none of our faults crosses as
// Poison, and so does a panic: Temporal would try them again for ever, and nobody would hear of it.
func (a Activity[In, Out]) Serve(r worker.ActivityRegistry, f func(context.Context, In) (Out, error)) {
	beating := func(ctx context.Context, in In) (out Out, err error) {
		defer beat(ctx)()
		defer func() {
			if p := recover(); p != nil {
				err = Poison.Of(fmt.Errorf("%s failed on a bug of ours: %v", a.Name, p))
			}
		}()
		out, err = f(ctx, in)
		return out, patient(classified(ctx, err), activity.GetInfo(ctx).Attempt)
	}
	r.RegisterActivityWithOptions(beating, activity.RegisterOptions{Name: a.Name})
}

// beatEvery is a third of the heartbeat timeout; an activity that ends sooner costs no heartbeat.
const beatEvery = heartbeat / 3

func beat(ctx context.Context) (stop func()) {
	t := time.NewTicker(beatEvery)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-t.C:
				activity.RecordHeartbeat(ctx)
			case <-done:
				return
			}
		}
	}()
	return func() { t.Stop(); close(done) }
}

// A Signal is a name with the type of its message and a line about it for the Temporal UI.
type Signal[T any] struct {
	Name string
	Text string
}

// Signaller is the part of a Temporal client that sends signals.
type Signaller interface {
	SignalWorkflow(ctx context.Context, workflowID, runID, signalName string, arg any) error
}

// Send delivers the message to a running workflow.
func (s Signal[T]) Send(ctx context.Context, c Signaller, workflowID string, msg T) error {
	if err := c.SignalWorkflow(ctx, workflowID, "", s.Name, msg); err != nil {
		return fmt.Errorf("signal %s to %s: %w", s.Name, workflowID, err)
	}
	return nil
}

// SendFrom delivers the message from one workflow to another.
func (s Signal[T]) SendFrom(ctx workflow.Context, workflowID string, msg T) workflow.Future {
	return workflow.SignalExternalWorkflow(ctx, workflowID, "", s.Name, msg)
}

// On calls f for each message that sel selects, and bad for one that does not decode. Messages are taken
// raw: a typed receive would drop a garbage payload and then wait inside the selector for the next good one.
func (s Signal[T]) On(ctx workflow.Context, sel workflow.Selector, f func(T), bad func(error)) {
	ch := workflow.GetSignalChannelWithOptions(ctx, s.Name, workflow.SignalChannelOptions{Description: s.Text})
	if sabotage.Listener {
		ch = listen(ctx, ch)
	}
	sel.AddReceive(ch, func(ch workflow.ReceiveChannel, _ bool) {
		var raw converter.RawValue
		waiting := ch.Len()
		received := ch.ReceiveAsync(&raw)
		for left := waiting - ch.Len(); left > 1 || left == 1 && !received; left-- {
			bad(fmt.Errorf("signal %s: its payload cannot be decrypted or is not one value", s.Name)) // the SDK passes over it
		}
		if !received {
			return
		}
		msg, err := s.decode(raw)
		if err != nil {
			bad(err)
			return
		}
		f(msg)
	})
}

// listen takes messages in a coroutine beside the story, and hands them on a little later. It is in no build but the one
// that the proof under faults must find out.
func listen(ctx workflow.Context, ch workflow.ReceiveChannel) workflow.ReceiveChannel {
	kept := workflow.NewBufferedChannel(ctx, 1000)
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var raw converter.RawValue
			ch.Receive(ctx, &raw)
			_ = workflow.Sleep(ctx, 300*time.Millisecond) // a cancelled story has no use for it
			kept.SendAsync(raw)
		}
	})
	return kept
}

func (s Signal[T]) decode(raw converter.RawValue) (msg T, err error) {
	if raw.Payload() == nil {
		return msg, fmt.Errorf("signal %s: it has no payload", s.Name)
	}
	if err := json.Unmarshal(raw.Payload().GetData(), &msg); err != nil {
		return msg, fmt.Errorf("signal %s: %w", s.Name, err)
	}
	if c, ok := any(msg).(interface{ Check() error }); ok {
		if err := c.Check(); err != nil {
			return msg, fmt.Errorf("signal %s: %w", s.Name, err)
		}
	}
	return msg, nil
}

// OnCancel lets a cancellation wake sel once. A closed Done channel in a selector would look like a message for ever.
func OnCancel(ctx workflow.Context, sel workflow.Selector, f func()) {
	heard := workflow.NewBufferedChannel(ctx, 1)
	workflow.Go(ctx, func(ctx workflow.Context) {
		ctx.Done().Receive(ctx, nil)
		heard.SendAsync(true)
	})
	sel.AddReceive(heard, func(c workflow.ReceiveChannel, _ bool) {
		c.ReceiveAsync(nil)
		f()
	})
}

// A Workflow is a name with the types of its input and its result.
type Workflow[In, Out any] struct {
	Name string
}

// Serve binds the workflow to its implementation.
func (w Workflow[In, Out]) Serve(r worker.WorkflowRegistry, f func(workflow.Context, In) (Out, error)) {
	r.RegisterWorkflowWithOptions(f, workflow.RegisterOptions{Name: w.Name})
}

// A Query is a name with the type of its answer and a line about it for the Temporal UI.
type Query[Out any] struct {
	Name string
	Text string
}

// Answer sets the workflow's answer.
func (q Query[Out]) Answer(ctx workflow.Context, f func() (Out, error)) error {
	return workflow.SetQueryHandlerWithOptions(ctx, q.Name, f, workflow.QueryHandlerOptions{Description: q.Text})
}

// ErrNoWorker means that the question was not answered in time: no worker serves the workflow's queue.
var ErrNoWorker = errors.New("no worker answers")

// Ask asks a workflow, the newest run of its id.
func (q Query[Out]) Ask(ctx context.Context, c client.Client, workflowID string) (out Out, err error) {
	v, err := c.QueryWorkflow(ctx, workflowID, "", q.Name)
	if err != nil {
		if ctx.Err() != nil {
			return out, fmt.Errorf("query %s of %s: %w: %w", q.Name, workflowID, ErrNoWorker, err)
		}
		return out, fmt.Errorf("query %s of %s: %w", q.Name, workflowID, err)
	}
	if err := v.Get(&out); err != nil {
		return out, fmt.Errorf("query %s of %s: decode: %w", q.Name, workflowID, err)
	}
	return out, nil
}
