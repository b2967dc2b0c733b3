package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"vigil/internal/auth/perm"
	"vigil/schema"
	"vigil/schema/flow"
)

// respondBench measures playbooks and approvals in a Vigil of its own.
type respondBench struct {
	a             *app
	runs, waiting int
	clicks, looks int
	responses     int

	own     *benchVigil
	hook    *arrivals
	cookies map[string]string // by user
}

func newBenchRespondCmd(a *app) *cobra.Command {
	b := &respondBench{a: a}
	c := &cobra.Command{
		Use: "respond", Short: "Playbooks, waiting approvals, and the time from a click to the action",
		Long: `Starts a Vigil with a data folder of its own and a receiver of webhooks, and measures: short playbooks (three conditions and one
notification) a second and what each costs; alerts that a playbook answers by itself; what many runs that wait for a person take in memory,
how fast the inbox answers then and how long a restart takes; and the time from the last click to the action's arrival at the receiver.
The folder is removed at the end.`,
		Example: "  vigil bench respond --runs 500 --waiting 10000",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := b.run(c.Context())
			return errors.Join(err, a.figures(list))
		},
	}
	f := c.Flags()
	f.IntVar(&b.runs, "runs", 500, "short playbooks to run")
	f.IntVar(&b.responses, "responses", 50, "alerts that a playbook answers by itself")
	f.IntVar(&b.waiting, "waiting", 1000, "runs that wait for a person at once")
	f.IntVar(&b.looks, "looks", 200, "times that the inbox is asked for")
	f.IntVar(&b.clicks, "clicks", 100, "approvals that are given")
	return c
}

const benchShort = `type: playbook
spec_version: cacao-2.0
id: playbook--bench-short
name: bench-short
description: Three conditions and a notification.
playbook_variables:
  __n__: {type: string, description: which run it is, external: true}
workflow_start: start--1
workflow:
  start--1: {type: start, on_completion: if-condition--1}
  if-condition--1: {type: if-condition, condition: "v['n'] != ''", on_true: if-condition--2, on_completion: end--1}
  if-condition--2: {type: if-condition, condition: "v['n'] != 'x'", on_true: if-condition--3, on_completion: end--2}
  if-condition--3: {type: if-condition, condition: "v['n'].startsWith('bench')", on_true: action--1, on_completion: end--3}
  action--1:
    type: action
    name: Tell the receiver
    on_completion: end--4
    commands: [{type: vigil-action, command: notify, arguments: {subject: "__n__:value"}}]
  end--1: {type: end}
  end--2: {type: end}
  end--3: {type: end}
  end--4: {type: end}
`

// benchAsk calls the receiver by an action of medium risk, which asks.
const benchAsk = `type: playbook
spec_version: cacao-2.0
id: playbook--bench-ask
name: bench-ask
description: One action that people are asked about.
playbook_variables:
  __n__: {type: string, description: which run it is, external: true}
workflow_start: start--1
workflow:
  start--1: {type: start, on_completion: action--1}
  action--1:
    type: action
    name: Call the receiver
    on_completion: end--1
    on_failure: end--1
    commands: [{type: vigil-action, command: http-api, arguments: {url: "%s", body: "{\"subject\": \"__n__:value\"}"}}]
  end--1: {type: end}
`

func (b *respondBench) run(ctx context.Context) (list []figure, err error) {
	if b.hook, err = listenArrivals(); err != nil {
		return nil, err
	}
	defer b.hook.close()
	if b.own, err = newBenchVigil(b.a, "", "--webhook", b.hook.url); err != nil {
		return nil, err
	}
	defer b.own.end()
	if err := b.files(); err != nil {
		return nil, err
	}
	if err := b.own.start(ctx); err != nil {
		return nil, err
	}
	if err := b.users(ctx); err != nil {
		return nil, err
	}
	for _, part := range []func(context.Context) ([]figure, error){b.short, b.automatic, b.wait, b.inbox, b.restart, b.click} {
		figures, err := part(ctx)
		if list = append(list, figures...); err != nil {
			return list, err
		}
		for _, f := range figures {
			fmt.Fprintf(b.a.err, "%s: %v %s\n", f.name, f.value, f.unit)
		}
	}
	return list, nil
}

// files writes the playbooks.
func (b *respondBench) files() error {
	dir := filepath.Join(b.own.data, "playbooks")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, "short.yaml"), []byte(benchShort), 0o600),
		os.WriteFile(filepath.Join(dir, "ask.yaml"), fmt.Appendf(nil, benchAsk, b.hook.url), 0o600))
}

// benchUsers decide: a run whose requester nobody knows needs two.
var benchUsers = [2]string{"bench-ana", "bench-bo"}

// users makes those who decide, and signs them in.
func (b *respondBench) users(ctx context.Context) error {
	b.cookies = map[string]string{}
	for _, name := range benchUsers {
		cookie, err := b.own.signIn(ctx, name, perm.Approver)
		if err != nil {
			return err
		}
		b.cookies[name] = cookie
	}
	return nil
}

// playbook starts runs of a playbook, many at a time, named bench-KIND-NUMBER.
func (b *respondBench) playbook(ctx context.Context, name string, runs int) ([]client.WorkflowRun, error) {
	tp, err := b.own.temporal(ctx)
	if err != nil {
		return nil, err
	}
	started := make([]client.WorkflowRun, runs)
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i := range started {
		g.Go(func() (err error) {
			n := fmt.Sprintf("%s-%d", name, i)
			started[i], err = tp.ExecuteWorkflow(within, client.StartWorkflowOptions{ID: flow.RunID(b.a.org, "bench", n, 1), TaskQueue: flow.Queue(flow.RunPlaybook)}, flow.RunPlaybook,
				flow.RunPlaybookInput{Org: b.a.org, Playbook: name, Variables: map[string]string{"n": n}})
			return err
		})
	}
	return started, g.Wait()
}

// short runs short playbooks as fast as they go.
func (b *respondBench) short(ctx context.Context) ([]figure, error) {
	before, err := b.own.usage()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	started, err := b.playbook(ctx, "bench-short", b.runs)
	if err != nil {
		return nil, err
	}
	for _, r := range started {
		if err := r.Get(ctx, nil); err != nil {
			return nil, err
		}
	}
	took := time.Since(began)
	after, err := b.own.usage()
	if err != nil {
		return nil, err
	}
	if n := b.hook.count("bench-short-"); n != b.runs {
		return nil, fmt.Errorf("%d of %d runs told the receiver", n, b.runs)
	}
	runs := float64(b.runs)
	return []figure{{"short playbooks", runs / took.Seconds(), "runs/s"}, {"a run, processor", (after.CPU - before.CPU).Seconds() * 1e3 / runs, "ms"},
		{"of that in ClickHouse", (after.Children - before.Children).Seconds() * 1e3 / runs, "ms"}}, nil
}

// automatic has alerts answered by a playbook that asks nobody.
func (b *respondBench) automatic(ctx context.Context) ([]figure, error) {
	tp, err := b.own.temporal(ctx)
	if err != nil {
		return nil, err
	}
	st, err := b.own.store(ctx)
	if err != nil {
		return nil, err
	}
	var took []time.Duration
	for n := range b.responses {
		host := fmt.Sprintf("bench-auto-%d", n)
		if _, err := b.own.alertAfter(ctx, tp, st, b.own.data, host); err != nil {
			return nil, err
		}
		alerted := time.Now()
		at, err := b.hook.await(ctx, host+"\"")
		if err != nil {
			return nil, err
		}
		took = append(took, max(at.Sub(alerted), 0))
	}
	return spread("alert to the playbook's own action", took), nil
}

// wait starts runs that wait for a person.
func (b *respondBench) wait(ctx context.Context) ([]figure, error) {
	st, err := b.own.store(ctx)
	if err != nil {
		return nil, err
	}
	before, err := b.own.usage()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if _, err := b.playbook(ctx, "bench-ask", b.waiting); err != nil {
		return nil, err
	}
	for {
		n, err := st.CountApprovals(ctx, b.a.org, string(schema.ApprovalPending))
		if err != nil {
			return nil, err
		}
		if n >= b.waiting {
			break
		}
		if time.Since(began) > time.Hour {
			return nil, fmt.Errorf("only %d of %d runs ask after an hour", n, b.waiting)
		}
		time.Sleep(500 * time.Millisecond)
	}
	took := time.Since(began)
	time.Sleep(5 * time.Second)
	after, err := b.own.usage()
	if err != nil {
		return nil, err
	}
	return []figure{{"runs that wait for a person", b.waiting, ""}, {"asked", float64(b.waiting) / took.Seconds(), "runs/s"}, {"resident before", float64(before.PSS) / 1e6, "MB"},
		{"resident while they wait", float64(after.PSS) / 1e6, "MB"}}, nil
}

// inbox asks for what waits, as the web UI does.
func (b *respondBench) inbox(ctx context.Context) ([]figure, error) {
	var took []time.Duration
	for range b.looks {
		began := time.Now()
		var page struct{ Items []schema.Approval }
		if err := b.own.as(ctx, b.cookies[benchUsers[0]], http.MethodGet, "/approvals?status=pending&limit=50", nil, &page); err != nil {
			return nil, err
		}
		if len(page.Items) == 0 {
			return nil, errors.New("the inbox is empty")
		}
		took = append(took, time.Since(began))
	}
	return spread("inbox", took), nil
}

// restart stops Vigil and starts it again.
func (b *respondBench) restart(ctx context.Context) ([]figure, error) {
	b.own.stop()
	began := time.Now()
	if err := b.own.start(ctx); err != nil {
		return nil, err
	}
	served := time.Since(began)
	st, err := b.own.store(ctx)
	if err != nil {
		return nil, err
	}
	n, err := st.CountApprovals(ctx, b.a.org, string(schema.ApprovalPending))
	if err != nil {
		return nil, err
	}
	if n != b.waiting {
		return nil, fmt.Errorf("%d of %d approvals wait after the restart", n, b.waiting)
	}
	return []figure{{"restart, until it serves", served.Seconds(), "s"}}, nil
}

// click has both users approve, and takes the time from the second's click to the arrival.
func (b *respondBench) click(ctx context.Context) ([]figure, error) {
	var page struct{ Items []schema.Approval }
	if err := b.own.as(ctx, b.cookies[benchUsers[0]], http.MethodGet, "/approvals?status=pending&limit="+strconv.Itoa(min(b.clicks, 1000)), nil, &page); err != nil {
		return nil, err
	}
	var answered, sent []time.Duration
	for _, x := range page.Items {
		subject := benchSubject.FindString(x.Payload)
		if subject == "" {
			return nil, fmt.Errorf("the approval %s is of no run that is measured", x.ID)
		}
		vote := map[string]any{"verdict": "approve", "reason": "measured", "binding": x.Binding}
		var clicked time.Time
		for _, user := range benchUsers {
			clicked = time.Now()
			if err := b.own.as(ctx, b.cookies[user], http.MethodPost, "/approvals/"+x.ID+"/decide", vote, nil); err != nil {
				return nil, err
			}
		}
		answered = append(answered, time.Since(clicked))
		at, err := b.hook.await(ctx, subject+"\"")
		if err != nil {
			return nil, err
		}
		sent = append(sent, at.Sub(clicked))
	}
	return append(spread("click to the answer", answered), spread("click to the action's arrival", sent)...), nil
}

var benchSubject = regexp.MustCompile(`bench-ask-\d+`)

// arrivals receives webhooks and remembers when each came.
type arrivals struct {
	url    string
	server *http.Server

	mu   sync.Mutex
	came []arrival
}

type arrival struct {
	at   time.Time
	body string
}

func listenArrivals() (*arrivals, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &arrivals{url: "http://" + l.Addr().String() + "/hook"}
	h.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		at := time.Now()
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		h.mu.Lock()
		defer h.mu.Unlock()
		h.came = append(h.came, arrival{at, string(body)})
	})}
	go func() { _ = h.server.Serve(l) }()
	return h, nil
}

func (h *arrivals) close() { _ = h.server.Close() }

func (h *arrivals) count(text string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.came {
		if strings.Contains(a.body, text) {
			n++
		}
	}
	return n
}

// await waits for the first arrival with the text in it.
func (h *arrivals) await(ctx context.Context, text string) (time.Time, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("nothing about %s arrived within a minute", text))
	defer cancel()
	for {
		h.mu.Lock()
		i := slices.IndexFunc(h.came, func(a arrival) bool { return strings.Contains(a.body, text) })
		var at time.Time
		if i >= 0 {
			at = h.came[i].at
		}
		h.mu.Unlock()
		if i >= 0 {
			return at, nil
		}
		select {
		case <-ctx.Done():
			return at, context.Cause(ctx)
		case <-time.After(2 * time.Millisecond):
		}
	}
}
