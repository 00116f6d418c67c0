package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"

	"waybill/starters/rig"
	"waybill/starters/rig/script"
	"waybill/workflows/protocol"
)

// bare is all that one shipment asked of Temporal, without what it was for: signals at their times, and commands in
// the batches in which workflow tasks gave them.
type bare struct {
	Began   time.Time       `json:"-"`
	Start   time.Duration   `json:"start"`   // since the first shipment's
	Signals []time.Duration `json:"signals"` // since its own start
	Batches []batch         `json:"batches"`
	Fired   int             `json:"fired"` // timers that fired
}

// lean gives the same commands in as few workflow tasks as can be: all that came between two signals at once, as
// if no call needed another's answer. A timer that is cancelled in the same breath is left to run, or the server
// would never hear of it.
func (s bare) lean() bare {
	l := s
	l.Batches = nil
	started := 0 // timers, before the batch being made
	for _, b := range s.Batches {
		if n := len(l.Batches); n == 0 || l.Batches[n-1].After.Signals != b.After.Signals {
			for _, done := range l.Batches[max(n-1, 0):] {
				started += len(done.Timers)
			}
			l.Batches = append(l.Batches, batch{After: arrived{Signals: b.After.Signals}})
		}
		last := &l.Batches[len(l.Batches)-1]
		last.Activities, last.Timers, last.Upserts = append(last.Activities, b.Activities...), append(last.Timers, b.Timers...), last.Upserts+b.Upserts
		for _, i := range b.Cancelled {
			if i < started {
				last.Cancelled = append(last.Cancelled, i)
			}
		}
	}
	return l
}

// batch are the commands of one workflow task, and what had come in before it.
type batch struct {
	After      arrived         `json:"after"`
	Activities []string        `json:"activities,omitempty"` // their task queues
	Timers     []time.Duration `json:"timers,omitempty"`
	Cancelled  []int           `json:"cancelled,omitempty"` // timers, in the order of their start
	Upserts    int             `json:"upserts,omitempty"`
}

func (b batch) empty() bool {
	return len(b.Activities)+len(b.Timers)+len(b.Cancelled)+b.Upserts == 0
}

// arrived counts what has come in.
type arrived struct {
	Signals    int `json:"signals,omitempty"`
	Activities int `json:"activities,omitempty"`
	Timers     int `json:"timers,omitempty"`
}

func (a arrived) atLeast(b arrived) bool {
	return a.Signals >= b.Signals && a.Activities >= b.Activities && a.Timers >= b.Timers
}

// floorCost is what a bare workflow cost in Temporal.
type floorCost struct {
	Actions int `json:"actions"`
	Tasks   int `json:"tasks"`
}

// reader makes a bare workflow of a history.
type reader struct {
	bare
	came    arrived
	tasks   int
	batches map[int64]*batch // by the event that completed their task
	order   []int64
	seen    map[int64]arrived // by the event that started a task
	timers  map[int64]int     // by their started event
}

func newReader() *reader {
	return &reader{batches: map[int64]*batch{}, seen: map[int64]arrived{}, timers: map[int64]int{}}
}

// done is the bare workflow of all that was read.
func (r *reader) done() bare {
	for _, at := range r.order {
		if b := r.batches[at]; !b.empty() {
			r.Batches = append(r.Batches, *b)
		}
	}
	r.Fired = r.came.Timers
	return r.bare
}

// bareOf reads a shipment's history, and counts its workflow tasks.
func bareOf(ctx context.Context, c client.Client, id string) (bare, int, error) {
	r := newReader()
	it := c.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			return r.bare, 0, fmt.Errorf("history of %s: %w", id, err)
		}
		r.read(e)
	}
	return r.done(), r.tasks, nil
}

func (r *reader) read(e *historypb.HistoryEvent) {
	switch e.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		r.Began = e.GetEventTime().AsTime()
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
		r.came.Signals++
		r.Signals = append(r.Signals, e.GetEventTime().AsTime().Sub(r.Began))
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		r.came.Activities++
	case enumspb.EVENT_TYPE_TIMER_FIRED:
		r.came.Timers++
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED:
		r.seen[e.GetEventId()] = r.came
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
		r.tasks++
		r.batches[e.GetEventId()] = &batch{After: r.seen[e.GetWorkflowTaskCompletedEventAttributes().GetStartedEventId()]}
		r.order = append(r.order, e.GetEventId())
	default:
		r.command(e)
	}
}

func (r *reader) command(e *historypb.HistoryEvent) {
	switch e.GetEventType() {
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		a := e.GetActivityTaskScheduledEventAttributes()
		b := r.batches[a.GetWorkflowTaskCompletedEventId()]
		b.Activities = append(b.Activities, a.GetTaskQueue().GetName())
	case enumspb.EVENT_TYPE_TIMER_STARTED:
		a := e.GetTimerStartedEventAttributes()
		b := r.batches[a.GetWorkflowTaskCompletedEventId()]
		r.timers[e.GetEventId()] = len(r.timers)
		b.Timers = append(b.Timers, a.GetStartToFireTimeout().AsDuration())
	case enumspb.EVENT_TYPE_TIMER_CANCELED:
		a := e.GetTimerCanceledEventAttributes()
		b := r.batches[a.GetWorkflowTaskCompletedEventId()]
		b.Cancelled = append(b.Cancelled, r.timers[a.GetStartedEventId()])
	case enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
		r.batches[e.GetUpsertWorkflowSearchAttributesEventAttributes().GetWorkflowTaskCompletedEventId()].Upserts++
	}
}

// The names of the bare workflow, its activity and its signal.
const (
	bareWorkflow = "Bare"
	bareActivity = "Nothing"
	bareSignal   = "nothing"
	barePrefix   = "bare-" // of task queues
)

// stage runs a bare workflow's batches.
type stage struct {
	inbox  workflow.Selector
	came   arrived
	cancel []workflow.CancelFunc
}

// bareStory gives the server a bare workflow's commands, each batch when what came before it has come.
func bareStory(ctx workflow.Context, s bare) error {
	r := &stage{inbox: workflow.NewSelector(ctx)}
	r.inbox.AddReceive(workflow.GetSignalChannel(ctx, bareSignal), func(c workflow.ReceiveChannel, _ bool) {
		if c.ReceiveAsync(nil) {
			r.came.Signals++
		}
	})
	all := arrived{Signals: len(s.Signals), Timers: s.Fired}
	for _, b := range s.Batches {
		r.await(ctx, b.After)
		if err := r.give(ctx, b); err != nil {
			return err
		}
		all.Activities += len(b.Activities)
	}
	r.await(ctx, all)
	return nil
}

func (r *stage) await(ctx workflow.Context, a arrived) {
	for !r.came.atLeast(a) {
		r.inbox.Select(ctx)
	}
}

func (r *stage) give(ctx workflow.Context, b batch) error {
	for _, queue := range b.Activities {
		o := workflow.ActivityOptions{TaskQueue: barePrefix + queue, StartToCloseTimeout: time.Minute}
		r.inbox.AddFuture(workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o), bareActivity), func(workflow.Future) { r.came.Activities++ })
	}
	for _, i := range b.Cancelled {
		r.cancel[i]()
	}
	for _, d := range b.Timers {
		tctx, cancel := workflow.WithCancel(ctx)
		r.cancel = append(r.cancel, cancel)
		r.inbox.AddFuture(workflow.NewTimer(tctx, d), func(f workflow.Future) {
			if f.Get(ctx, nil) == nil {
				r.came.Timers++
			}
		})
	}
	for range b.Upserts {
		if err := workflow.UpsertTypedSearchAttributes(ctx, protocol.StageAttribute.ValueSet("transit")); err != nil {
			return err
		}
	}
	return nil
}

// floorCommand is the floor as a process of its own: worker, relay and starter in one, as the product's worker is.
func floorCommand() *cobra.Command {
	var gzip bool
	var abreast int
	c := &cobra.Command{Use: "floor SCRIPTS", Hidden: true, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return serveFloor(cmd.Context(), args[0], gzip, abreast)
	}}
	c.Flags().BoolVar(&gzip, "gzip", true, "")
	c.Flags().IntVar(&abreast, "abreast", 1, "")
	return c
}

// serveFloor is ready, waits for a line, plays its scripts, and waits for the end of its input, so that it can be
// measured before and after.
func serveFloor(ctx context.Context, file string, gzip bool, abreast int) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var scripts []bare
	if err := json.Unmarshal(text, &scripts); err != nil {
		return err
	}
	o := client.Options{HostPort: os.Getenv("TEMPORAL_ADDRESS"), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))}
	if !gzip {
		o.ConnectionOptions.GrpcCompression = &client.GrpcCompressionNone{}
	}
	c, err := client.DialContext(ctx, o)
	if err != nil {
		return err
	}
	defer c.Close()
	stop, err := bareWorkers(c, scripts)
	defer stop()
	if err != nil {
		return err
	}
	if err := playBare(ctx, c, "warm", scripts[:1], 1); err != nil {
		return err
	}
	in := bufio.NewReader(os.Stdin)
	fmt.Println("ready")
	if _, err := in.ReadString('\n'); err != nil {
		return err
	}
	if err := playBare(ctx, c, "floor", scripts, abreast); err != nil {
		return err
	}
	fmt.Println("done")
	_, _ = in.ReadString('\n') // the end comes when it has been measured
	return nil
}

// bareWorkers serve the same task queues as the product's worker, under names of their own. A bare workflow knows
// its script, so that its input is a number.
func bareWorkers(c client.Client, scripts []bare) (stop func(), err error) {
	stories := worker.New(c, barePrefix+protocol.QueueStories, worker.Options{LocalActivityWorkerOnly: true})
	stories.RegisterWorkflowWithOptions(func(ctx workflow.Context, i int) error { return bareStory(ctx, scripts[i]) }, workflow.RegisterOptions{Name: bareWorkflow})
	ws := []worker.Worker{stories}
	for _, q := range []string{protocol.QueueStatus, protocol.QueuePost, protocol.QueueBilling, protocol.QueueTMS, protocol.QueueFinance, protocol.QueueRecord} {
		w := worker.New(c, barePrefix+q, worker.Options{DisableWorkflowWorker: true})
		w.RegisterActivityWithOptions(func(context.Context) error { return nil }, activity.RegisterOptions{Name: bareActivity})
		ws = append(ws, w)
	}
	for i, w := range ws {
		if err = w.Start(); err != nil {
			ws = ws[:i]
			break
		}
	}
	return func() {
		for _, w := range ws {
			w.Stop()
		}
	}, err
}

func playBare(ctx context.Context, c client.Client, name string, scripts []bare, abreast int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(abreast)
	began := time.Now()
	for i, s := range scripts {
		g.Go(func() error {
			if err := until(ctx, began.Add(s.Start)); err != nil {
				return err
			}
			return driveBare(ctx, c, fmt.Sprintf("%s/%d/%d", name, os.Getpid(), i), i, s)
		})
	}
	return g.Wait()
}

func until(ctx context.Context, at time.Time) error { return pause(ctx, time.Until(at)) }

func driveBare(ctx context.Context, c client.Client, id string, i int, s bare) error {
	began := time.Now()
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: barePrefix + protocol.QueueStories}, bareWorkflow, i)
	if err != nil {
		return err
	}
	for _, at := range s.Signals {
		if err := until(ctx, began.Add(at)); err != nil {
			return err
		}
		if err := c.SignalWorkflow(ctx, id, "", bareSignal, nil); err != nil {
			return err
		}
	}
	return run.Get(ctx, nil)
}

// floor plays bare workflows in a process of their own, while the product's worker is held, and measures it.
func (b *bench) floor(ctx context.Context, h *rig.House, scripts []bare) (u usage, cs []floorCost, err error) {
	for _, w := range h.Workers {
		w.Signal(syscall.SIGSTOP)
		defer w.Signal(syscall.SIGCONT)
	}
	file := filepath.Join(h.Dir, "floor.json")
	text, err := json.Marshal(scripts)
	if err != nil {
		return u, nil, err
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return u, nil, err
	}
	p, err := startFloor(ctx, h, file, b.o)
	if err != nil {
		return u, nil, err
	}
	defer p.stop()
	if err := p.hear("ready"); err != nil {
		return u, nil, err
	}
	w, err := begin(who{"server": {h.Dev.Pid()}, "floor": {p.cmd.Process.Pid}})
	if err != nil {
		return u, nil, err
	}
	if _, err := io.WriteString(p.in, "go\n"); err != nil {
		return u, nil, err
	}
	if err := p.hear("done"); err != nil {
		return u, nil, err
	}
	if u, err = w.end(); err != nil {
		return u, nil, err
	}
	cs, err = floorCosts(ctx, h.Temporal, p.cmd.Process.Pid, len(scripts))
	return u, cs, err
}

// floorProcess is the floor running.
type floorProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startFloor(ctx context.Context, h *rig.House, file string, o options) (*floorProcess, error) {
	me, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, me, "floor", file, fmt.Sprintf("--gzip=%t", o.gzip), fmt.Sprintf("--abreast=%d", o.abreast))
	cmd.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+h.ToWorker.Address)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &floorProcess{cmd, in, bufio.NewReader(out)}, cmd.Start()
}

func (p *floorProcess) hear(word string) error {
	line, err := p.out.ReadString('\n')
	if err == nil && line != word+"\n" {
		err = errors.New("it said " + line)
	}
	if err != nil {
		return fmt.Errorf("the floor is not %s: %w", word, err)
	}
	return nil
}

func (p *floorProcess) stop() {
	_ = p.in.Close() // it ends at the end of its input
	_ = p.cmd.Wait() // what it had to say was heard
}

// floorCosts counts what the bare workflows cost, as the shipments' histories are counted.
func floorCosts(ctx context.Context, c client.Client, pid, n int) (cs []floorCost, err error) {
	for i := range n {
		f := floorCost{}
		it := c.GetWorkflowHistory(ctx, fmt.Sprintf("floor/%d/%d", pid, i), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for it.HasNext() {
			e, err := it.Next()
			if err != nil {
				return nil, err
			}
			f.Actions += script.Actions(e)
			if e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
				f.Tasks++
			}
		}
		cs = append(cs, f)
	}
	return cs, nil
}
