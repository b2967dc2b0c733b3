package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/auth/perm"
	"vigil/internal/store"
	"vigil/rules"
	"vigil/schema"
)

// alertsBench measures the alert list of a Vigil of its own.
type alertsBench struct {
	a      *app
	dir    string
	alerts int64
	looks  int

	own    *benchVigil
	cookie string
	rules  []*rules.Rule
	r      *rand.Rand
}

func newBenchAlertsCmd(a *app) *cobra.Command {
	b := &alertsBench{a: a}
	var alerts string
	c := &cobra.Command{
		Use: "alerts", Short: "The alert list over many alerts",
		Long: `Starts a Vigil with a data folder of its own, writes alerts of the last 90 days into its store (few rules raise most of them, few
entities have most of them, all but those of the last days are closed, half of these were acknowledged before), and asks the API for what
the web app asks: the queue's first page and the following ones, its filters, the alerts of a rule and of an entity, one alert, the
numbers of the first screen. With --dir the folder is kept, and used again as far as it is filled.`,
		Example: "  vigil bench alerts --alerts 1M\n  vigil bench alerts --alerts 1M --dir /big/alerts --looks 500",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			n, err := parseCount(alerts)
			if err != nil {
				return exit(2, err)
			}
			if b.looks < 1 {
				return exit(2, errors.New("--looks must be at least 1"))
			}
			b.alerts = n
			return b.run(c.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&alerts, "alerts", "1M", "alerts to fill the store with, such as 200k or 1M")
	f.IntVar(&b.looks, "looks", 100, "times that each is asked")
	f.StringVar(&b.dir, "dir", "", "data folder to fill and keep")
	return c
}

func (b *alertsBench) run(ctx context.Context) (err error) {
	set, errs := rules.Load(b.a.ruleSystems()...)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	b.rules, b.r = set.Rules(), rand.New(rand.NewPCG(1, 1))
	if b.own, err = newBenchVigil(b.a, b.dir); err != nil {
		return err
	}
	defer b.own.end()
	if err := b.own.start(ctx); err != nil {
		return err
	}
	if b.cookie, err = b.own.signIn(ctx, "bench-ana", perm.Analyst); err != nil {
		return err
	}
	if err := b.fill(ctx); err != nil {
		return err
	}
	return b.measure(ctx)
}

const (
	alertDays  = 90
	alertBatch = 5000
)

// fill writes the alerts oldest first, as they came, until there are enough.
func (b *alertsBench) fill(ctx context.Context) error {
	st, err := b.own.store(ctx)
	if err != nil {
		return err
	}
	var have int64
	for _, status := range []schema.AlertStatus{schema.AlertOpen, schema.AlertAcknowledged, schema.AlertClosed} {
		counts, err := st.CountAlerts(ctx, b.a.org, status)
		if err != nil {
			return err
		}
		for _, c := range counts {
			have += int64(c.Count)
		}
	}
	if have >= b.alerts {
		return nil
	}
	began, start := time.Now(), time.Now().UTC().AddDate(0, 0, -alertDays).Truncate(time.Millisecond)
	step := time.Since(start) / time.Duration(b.alerts)
	for n := int64(0); n < b.alerts; n += alertBatch {
		list := make([]schema.Alert, min(alertBatch, b.alerts-n))
		for i := range list {
			list[i] = b.alert(n+int64(i), start.Add(time.Duration(n+int64(i))*step))
		}
		if err := b.put(ctx, st, list); err != nil {
			return err
		}
		if (n/alertBatch)%20 == 19 {
			fmt.Fprintf(b.a.err, "%d alerts, %.0f a second\n", n+alertBatch, float64(n+alertBatch)/time.Since(began).Seconds())
		}
	}
	return nil
}

// few picks low numbers most of the time, as the busy few of many are.
func (b *alertsBench) few(n int) int {
	x := b.r.Float64()
	return int(float64(n) * x * x * x)
}

func (b *alertsBench) alert(n int64, at time.Time) schema.Alert {
	r := b.rules[b.few(len(b.rules))]
	entities := map[string]string{"host": fmt.Sprintf("ws-%04d.corp.example", b.few(4000)), "user": fmt.Sprintf(`CORP\user%04d`, b.few(2500))}
	if b.r.IntN(3) == 0 {
		entities["source.ip"] = fmt.Sprintf("10.%d.%d.%d", b.r.IntN(4), b.r.IntN(256), b.r.IntN(256))
	}
	a := schema.Alert{ID: schema.HashID("bench-alert", fmt.Sprint(n)), Org: b.a.org, Rule: r.ID, RuleVersion: "1", Title: r.Title, Kind: "match", Severity: r.Severity, Risk: r.Risk, Attack: r.Attack,
		Entities: entities, Source: "bench", Dataset: "windows.security", FirstSeen: at.Add(-2 * time.Second), LastSeen: at, Created: at, Status: schema.AlertOpen, Version: 1}
	a.DedupKey = a.Rule + "|" + entities["host"]
	if b.r.IntN(10) < 3 {
		a.Incident = schema.HashID("bench-incident", fmt.Sprint(n/40))[:16]
	}
	for _, field := range []string{"process.command_line", "process.executable", "user.name"} {
		a.Why = append(a.Why, schema.Why{Part: "match", Expr: "e." + field + ".icontains(['" + r.ID + "'])", Values: map[string]string{field: `C:\Windows\System32\` + r.ID + `.exe /quiet ` + entities["user"]}})
	}
	return a
}

// put stores alerts and their members, and then what people did with them.
func (b *alertsBench) put(ctx context.Context, st *store.Store, list []schema.Alert) error {
	var members []store.AlertMember
	var seen, closed []schema.Alert
	for _, a := range list {
		for k := range 1 + b.few(12) {
			members = append(members, store.AlertMember{Alert: a.ID, Detection: schema.HashID("bench-detection", a.ID, fmt.Sprint(k)), EventID: a.ID, Chunk: "bench", Time: a.Created.Add(time.Duration(k) * time.Second)})
		}
		if b.r.Int64N(int64(alertDays*24*time.Hour)) > int64(time.Since(a.Created))*40 {
			continue // of the last days, and so still open; the newer the likelier
		}
		if b.r.IntN(2) == 0 {
			a.Status, a.Assignee, a.Acknowledged, a.Version = schema.AlertAcknowledged, "ana", a.Created.Add(time.Hour), a.Version+1
			seen = append(seen, a)
		}
		if b.r.IntN(50) > 0 {
			a.Status, a.Verdict, a.Reason, a.Version = schema.AlertClosed, "false_positive", "the backup job does this every night", a.Version+1
			closed = append(closed, a)
		}
	}
	return errors.Join(st.PutAlerts(ctx, list), st.PutAlertMembers(ctx, b.a.org, members), st.PutAlerts(ctx, seen), st.PutAlerts(ctx, closed))
}

// alertLook is one thing that the web app asks for.
type alertLook struct {
	name  string
	path  func() string
	pages int // that follow each other
}

func (b *alertsBench) looksLike() []alertLook {
	list := func(kv ...string) func() string {
		q := url.Values{}
		for i := 0; i < len(kv); i += 2 {
			q.Set(kv[i], kv[i+1])
		}
		return func() string { return "/alerts?" + q.Encode() }
	}
	rule := func(status string) func() string {
		return func() string {
			return list("limit", "200", "status", status, "rule", b.rules[b.r.IntN(len(b.rules))].ID)()
		}
	}
	host := func() string { return fmt.Sprintf("ws-%04d", b.r.IntN(4000)) }
	return []alertLook{
		{"queue, open, first page of 200 (the app groups it)", list("limit", "200", "status", "open"), 1},
		{"queue, open, five pages after each other", list("limit", "200", "status", "open"), 5},
		{"queue, any status", list("limit", "200"), 1},
		{"queue, closed", list("limit", "200", "status", "closed"), 1},
		{"queue, open and critical", list("limit", "200", "status", "open", "severity", "critical"), 1},
		{"queue, acknowledged and low", list("limit", "200", "status", "acknowledged", "severity", "low"), 1},
		{"queue, open, of a rule", rule("open"), 1},
		{"a rule's last 20", func() string { return rule("")() + "&limit=20" }, 1},
		{"queue, any status, text: a host", func() string { return list("limit", "200", "q", host())() }, 1},
		{"an entity's last 20", func() string { return list("limit", "20", "q", host())() }, 1},
		{"text that nothing has", list("limit", "200", "q", "no such text"), 1},
		{"an incident's", func() string {
			return list("limit", "200", "incident", schema.HashID("bench-incident", fmt.Sprint(b.r.Int64N(max(b.alerts/40, 1))))[:16])()
		}, 1},
		{"first screen: open alerts by severity and rule", func() string { return "/home" }, 1},
		{"first screen: newest 50", list("limit", "50", "status", "open"), 1},
		{"one alert", func() string {
			return "/alerts/" + url.PathEscape(schema.HashID("bench-alert", fmt.Sprint(b.r.Int64N(b.alerts))))
		}, 1},
	}
}

func (b *alertsBench) measure(ctx context.Context) error {
	rows := [][]any{}
	for _, look := range b.looksLike() {
		var took []time.Duration
		items := 0
		for range b.looks {
			first := look.path()
			for n, at := 0, first; n < look.pages; n++ {
				var page struct {
					Items []schema.Alert `json:"items"`
					Next  string         `json:"next"`
				}
				began := time.Now()
				if err := b.own.as(ctx, b.cookie, http.MethodGet, at, nil, &page); err != nil {
					return fmt.Errorf("%s: %w", look.name, err)
				}
				took = append(took, time.Since(began))
				items += len(page.Items)
				if page.Next == "" {
					break
				}
				at = first + "&cursor=" + url.QueryEscape(page.Next)
			}
		}
		row := []any{look.name, items / len(took)}
		for _, f := range spread("", took)[1:] {
			row = append(row, fmt.Sprintf("%.1f", f.value))
		}
		rows = append(rows, row)
		fmt.Fprintln(b.a.err, strings.Trim(fmt.Sprint(row), "[]"))
	}
	return b.a.table([]string{"asked", "alerts", "p50 ms", "p95 ms", "p99 ms", "slowest ms"}, rows)
}
