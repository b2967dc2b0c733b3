package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"vigil/integration/chtest"
	"vigil/internal/secret"
	"vigil/internal/standalone/clickhouse"
	"vigil/internal/store"
	"vigil/schema"
)

// searchDay is when the events of these tests happened.
var searchDay = time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)

// searchEvents stores n events of an org, one a minute: users u0 … u3 in turn, every
// fifth a failure, with i bytes.
func searchEvents(t *testing.T, s *store.Store, org string, n int) {
	t.Helper()
	b := store.NewBatch()
	var e schema.Event
	for i := range n {
		e.Reset(fmt.Appendf(nil, `{"org":%q,"n":%d}`, org, i), int64(i))
		e.ID = schema.EventIDAt(schema.ObjectHash(org, "search", 0, "f"), int64(i))
		e.SetTime(schema.FTimestamp, searchDay.Add(time.Duration(i)*time.Minute))
		e.SetStr(schema.FEventDataset, "test.search")
		e.SetStr(schema.FHostName, fmt.Sprintf("h%d", i%2))
		e.SetStr(schema.FUserName, fmt.Sprintf("%s-u%d", org, i%4))
		e.SetAddr(schema.FSourceIP, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), "")
		e.SetInt(schema.FNetworkBytes, int64(i))
		e.SetStr(schema.FMessage, fmt.Sprintf("job %d took %d.5 s | done", i, i%7))
		outcome := "success"
		if i%5 == 0 {
			outcome = "failure"
		}
		e.SetStr(schema.FEventOutcome, outcome)
		if i == 42 {
			e.SetStr(schema.FProcessName, "rare.exe")
		}
		b.Append(&e)
	}
	if err := s.InsertEvents(t.Context(), org, "search", schema.HashID(org), time.Now(), b); err != nil {
		t.Fatal(err)
	}
}

// TestSearch is one engine and everything a person may ask of it.
func TestSearch(t *testing.T) {
	s, e := chtest.Open(t)
	searchEvents(t, s, "main", 200)
	searchEvents(t, s, "other", 50)
	t.Run("queries", func(t *testing.T) { queries(t, s) })
	t.Run("statistics", func(t *testing.T) { statistics(t, s) })
	t.Run("sql", func(t *testing.T) { sqlMode(t, s) })
	t.Run("sql without an analyst", func(t *testing.T) { noAnalyst(t, e.Addr, e.User, e.Password.Reveal()) })
	t.Run("cancel", func(t *testing.T) { cancelled(t, s, e) })
	t.Run("explore", func(t *testing.T) { explore(t, s) })
	t.Run("export", func(t *testing.T) { exported(t, s) })
	t.Run("tail", func(t *testing.T) { tail(t, s) })
	t.Run("saved", func(t *testing.T) { saved(t, s) })
}

func ask(t *testing.T, s *store.Store, query string) store.SearchResult {
	t.Helper()
	res, err := s.Search(t.Context(), store.SearchRequest{Org: "main", Query: query, Limit: 1000, Histogram: true})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return res
}

// queries: rows and bars agree, and each form of a term finds what it says.
func queries(t *testing.T, s *store.Store) {
	for query, want := range map[string]int{
		"": 200, "event.outcome:failure": 40, "-event.outcome:failure": 160, "user.name:MAIN-u1": 50, "user.name:main-u?": 200, "network.bytes:>=190": 10,
		"network.bytes:[10 TO 19]": 10, "network.bytes:[* TO 9]": 9 + 1, "network.bytes:[195 TO *]": 5, "source.ip:[10.0.0.5 TO 10.0.0.9]": 5, "source.ip:10.0.0.0/29": 8,
		"timestamp:[2026-05-04 TO 2026-05-04T00:09:00Z]": 10, "user.name:[main-u2 TO main-u3]": 100, `"took 3.5 s"`: 29, `"s | done" user.name:main-u0`: 50,
		"(user.name:main-u0 OR user.name:main-u1) event.outcome:failure": 20, "process.name:*": 1,
	} {
		res := ask(t, s, query)
		if len(res.Rows) != want || res.Total != uint64(want) {
			t.Errorf("%s: %d rows, bars of %d, want %d", query, len(res.Rows), res.Total, want)
		}
	}
	for _, bad := range []string{"network.bytes:[1 2]", "network.bytes:[* TO *]", "network.bytes:[a TO b]", "source.ip:[x TO y]", "user.name:[a TO", "a | nonsense", "a |", "| stats sum()",
		"| stats count() by no.such.field", "| sort -count", "| stats count() | timechart", "| timechart span=0s", "| top 0 user.name", "| stats count() | where count ~ 3",
		"| timechart count() by user.name | head 3", "cel: e.x", "| stats count(); drop table events"} {
		if _, err := s.Search(t.Context(), store.SearchRequest{Org: "main", Query: bad}); schema.CodeOf(err) != schema.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func column(t *store.Table, i int) []string {
	var out []string
	for _, r := range t.Rows {
		out = append(out, fmt.Sprint(r[i]))
	}
	return out
}

func statistics(t *testing.T, s *store.Store) {
	one := ask(t, s, "event.outcome:failure | stats count(), sum(network.bytes) as volume, dc(user.name) by host.name | where count > 3 | sort -volume | head 5")
	if got := column(one.Table, 0); !reflect.DeepEqual(got, []string{"h1", "h0"}) || fmt.Sprint(one.Table.Rows[0][3]) != "2" {
		t.Errorf("by host: %v", one.Table.Rows)
	}
	sum := 0.0
	for _, r := range one.Table.Rows {
		sum += r[2].(float64)
	}
	if sum != 39*40/2*5 || one.Total != 40 || one.Table.Columns[2].Name != "volume" {
		t.Errorf("volume %v, total %d, columns %v", sum, one.Total, one.Table.Columns)
	}
	if all := ask(t, s, "| stats count(), avg(network.bytes), max(network.bytes), p50(network.bytes)").Table.Rows; len(all) != 1 || fmt.Sprint(all[0][0]) != "200" || all[0][2] != 199.0 {
		t.Errorf("over all: %v", all)
	}
	if top := ask(t, s, "| top 2 user.name"); len(top.Table.Rows) != 2 || top.Table.Chart != "bar" || fmt.Sprint(top.Table.Rows[0][1]) != "50" {
		t.Errorf("top: %+v", top.Table)
	}
	if rare := ask(t, s, "| rare 3 process.name").Table.Rows; len(rare) != 1 || rare[0][0] != "rare.exe" {
		t.Errorf("rare: %v", rare)
	}
	chart := ask(t, s, "| timechart span=1h count() by event.outcome").Table
	if chart.Chart != "time" || len(chart.Columns) != 3 || chart.Columns[1].Name != "failure" || len(chart.Rows) != 4 || fmt.Sprint(chart.Rows[0][1]) != "12" {
		t.Errorf("timechart: %+v", chart)
	}
	n := 0
	for _, v := range append(column(chart, 1), column(chart, 2)...) {
		var x int
		_, _ = fmt.Sscan(v, &x)
		n += x
	}
	if n != 200 {
		t.Errorf("the series add up to %d", n)
	}
	if p := ask(t, s, "| patterns").Table; len(p.Rows) != 1 || p.Rows[0][0] != "job <*> took <*> s | done" || fmt.Sprint(p.Rows[0][1]) != "200" {
		t.Errorf("patterns: %v", p.Rows)
	}
}

func runSQL(ctx context.Context, s *store.Store, sql string) (store.SearchResult, error) {
	return s.Search(ctx, store.SearchRequest{Org: "main", Query: "sql: " + sql, From: searchDay, To: searchDay.AddDate(0, 0, 1)})
}

// sqlMode: reading within one org works; nothing else does, however it is written.
func sqlMode(t *testing.T, s *store.Store) {
	res, err := runSQL(t.Context(), s, "SELECT user_name, count() AS n, max(timestamp) FROM events WHERE timestamp >= {from:DateTime64(6)} GROUP BY user_name ORDER BY user_name;")
	if err != nil || len(res.Table.Rows) != 4 || res.Table.Rows[0][0] != "main-u0" || fmt.Sprint(res.Table.Rows[0][1]) != "50" || res.Table.Columns[2].Kind != "time" {
		t.Fatalf("%+v, %v", res.Table, err)
	}
	// Whatever way the table is named, only the rows of the org are seen.
	for _, sql := range []string{
		"SELECT count() FROM events", "SELECT count() FROM vigil.events", "SELECT count() FROM `vigil`.`events` AS x", "SELECT count() FROM (SELECT * FROM events)",
		"WITH e AS (SELECT * FROM events) SELECT count() FROM e", "SELECT count() FROM view(SELECT * FROM events)", "SELECT countIf(org = 'main') + countIf(org != 'main') FROM events",
		"SELECT count() FROM events PREWHERE org != 'x'", "SELECT count() FROM events WHERE 'a' = ('a') AND `org` IN ('main', 'other')", "SELECT count() FROM events AS a SEMI LEFT JOIN events AS b ON a.id = b.id", "SELECT sum(n) FROM (SELECT count() AS n FROM events UNION ALL SELECT 0)",
	} {
		res, err := runSQL(t.Context(), s, sql)
		if err == nil && fmt.Sprint(res.Table.Rows[0][0]) != "200" {
			t.Errorf("%s: sees %v events, its org has 200", sql, res.Table.Rows[0][0])
		}
		if err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		"INSERT INTO events (org) VALUES ('x')", "DROP TABLE events", "SELECT 1; DROP TABLE events", "SELECT * FROM vigil_private.users", "SELECT * FROM vigil_private.saved", "SELECT * FROM system.users",
		"SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", "SELECT * FROM remote('127.0.0.1', vigil.events)",
		// Functions that read tables around the filter of rows.
		"SELECT count() FROM merge('vigil', '^events$')", "SELECT count() FROM `merge` ('vigil', '^events$')", "SELECT count() FROM loop(vigil.events) LIMIT 1", "SELECT count() FROM MERGE/**/('vigil', '^events$')",
		"SELECT count() FROM \"\\x6derge\"('vigil', '^events$')", "SELECT * FROM mergeTreeIndex(vigil, events)", "SELECT 1 WHERE 1 IN (SELECT count() FROM merge('vigil', 'events'))",

		"SELECT count() FROM events SETTINGS additional_table_filters = {}", "SELECT count() FROM events /**/settings max_execution_time = 0", "SELECT 1 INTO OUTFILE '/tmp/vigil-out'", "SELECT 1 FORMAT JSON",
		"SET readonly = 0", "SELECT * FROM executable('id', 'TSV', 'a String')", "ALTER TABLE events DELETE WHERE 1", "KILL QUERY WHERE 1", "SYSTEM SHUTDOWN", "", "SELECT 'unclosed",
		"SELECT $x$ ' $x$, 1 SETTINGS a = 1 --'",
	} {
		if res, err := runSQL(t.Context(), s, sql); err == nil {
			t.Errorf("%s was run: %+v", sql, res.Table)
		}
	}
	// Words in texts, names and comments are no keywords.
	if res, err := runSQL(t.Context(), s, "SELECT 'SETTINGS; INTO' AS `format`, 1 /* FORMAT */ AS n -- INTO"); err != nil || res.Table.Rows[0][0] != "SETTINGS; INTO" {
		t.Errorf("words in texts: %+v, %v", res.Table, err)
	}
	began := time.Now()
	if _, err := runSQL(t.Context(), s, "SELECT groupArray(number) FROM numbers(2000000000)"); schema.CodeOf(err) != schema.Exhausted {
		t.Errorf("a hungry query: %v after %s", err, time.Since(began))
	}
	if res, err := runSQL(t.Context(), s, "SELECT number, toString(number) FROM numbers(1000000)"); err != nil || len(res.Table.Rows) != 10_000 || !res.Table.Truncated {
		t.Errorf("a million rows: %d, %v", len(res.Table.Rows), err)
	}
	odd, err := runSQL(t.Context(), s, "SELECT toUInt64(18446744073709551615), nan, NULL, [1, 2], map('a', 1), toIPv6('::ffff:10.0.0.1'), unhex('ff'), true, toDecimal64(1.5, 2), (1, 'x')")
	if err != nil || odd.Table.Rows[0][0] != "18446744073709551615" || odd.Table.Rows[0][2] != nil || odd.Table.Rows[0][5] != "10.0.0.1" || odd.Table.Rows[0][6] != "\uFFFD" {
		t.Errorf("odd values: %v, %v", odd.Table, err)
	}
}

// noAnalyst: where nobody is granted reading only, sql: is refused.
func noAnalyst(t *testing.T, addr, user, password string) {
	s, err := store.Open(t.Context(), store.Options{Addr: addr, User: user, Password: secret.New(password)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := runSQL(t.Context(), s, "SELECT 1"); schema.CodeOf(err) != schema.Denied {
		t.Errorf("sql as the owner of the tables: %v", err)
	}
}

// cancelled: a cancelled search is gone from the engine, not only from us.
func cancelled(t *testing.T, s *store.Store, e *clickhouse.Engine) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	done := make(chan error, 1)
	go func() {
		_, err := s.Search(ctx, store.SearchRequest{Org: "main", ID: "to-cancel", Query: "sql: SELECT count() FROM numbers(10000000000000) WHERE sipHash64(number) = 1", From: searchDay, To: searchDay})
		done <- err
	}()
	running := func() bool {
		return engineSays(t, e, "SELECT count() FROM system.processes WHERE Settings['log_comment'] = 'search to-cancel'") != "0"
	}
	wait(t, "the search to be seen running", running)
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("the search ended with %v", err)
	}
	wait(t, "the engine to stop it", func() bool { return !running() })
}

// engineSays asks the engine itself, as the owner of the tables.
func engineSays(t *testing.T, e *clickhouse.Engine, sql string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+e.HTTPAddr+"/", strings.NewReader(sql))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(e.User, e.Password.Reveal())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%s: %s %v", sql, b, err)
	}
	return strings.TrimSpace(string(b))
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

func explore(t *testing.T, s *store.Store) {
	e, err := s.Estimate(t.Context(), store.SearchRequest{Org: "main", Query: "event.outcome:failure | stats count()"})
	if err != nil || e.Rows < 200 || e.Rows > 250 || e.Parts == 0 {
		t.Errorf("estimate: %+v, %v", e, err)
	}
	values, err := s.FieldValues(t.Context(), "main", "user.name", "MAIN", searchDay, searchDay.AddDate(0, 0, 1), 3)
	if err != nil || len(values) != 3 || values[0].Value != "main-u0" || values[0].Count != 50 {
		t.Errorf("values: %+v, %v", values, err)
	}
	if none, err := s.FieldValues(t.Context(), "main", "user.name", "other", searchDay, searchDay.AddDate(0, 0, 1), 3); err != nil || len(none) != 0 {
		t.Errorf("values of another org: %+v, %v", none, err)
	}
	id := schema.EventIDAt(schema.ObjectHash("main", "search", 0, "f"), 42).String()
	rows, err := s.Around(t.Context(), "main", id, 3)
	var minutes []int
	for _, r := range rows {
		minutes = append(minutes, int(r.Time.Sub(searchDay)/time.Minute))
	}
	if err != nil || !reflect.DeepEqual(minutes, []int{36, 38, 40, 42, 44, 46, 48}) {
		t.Errorf("around: minutes %v, %v", minutes, err)
	}
	prevalence, err := s.Prevalence(t.Context(), "main", id)
	by := map[string]store.Prevalence{}
	for _, p := range prevalence {
		by[p.Field] = p
	}
	if err != nil || by["process.name"].Events != 1 || by["process.name"].Hosts != 1 || by["user.name"].Events != 50 || by["source.ip"].Events != 1 || !by["user.name"].First.Equal(searchDay.Add(2*time.Minute)) {
		t.Errorf("prevalence: %+v, %v", by, err)
	}
}

// exported: every event once, with typed values.
func exported(t *testing.T, s *store.Store) {
	columns, err := store.ExportColumns([]string{"network.bytes", "user.name", "labels.mine"})
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]any
	stats, err := s.Export(t.Context(), store.SearchRequest{Org: "main", Query: "event.outcome:failure"}, columns, 0, func(r []any) error { rows = append(rows, r); return nil })
	if err != nil || len(rows) != 40 || stats.Rows == 0 {
		t.Fatalf("%d rows, %+v, %v", len(rows), stats, err)
	}
	first := rows[0]
	if at, ok := first[1].(time.Time); !ok || !at.Equal(searchDay.Add(195*time.Minute)) || first[3] != int64(195) || first[4] != "main-u3" || first[5] != nil {
		t.Errorf("first row: %v", first)
	}
	all, err := store.ExportColumns(nil)
	if err != nil || len(all) < int(schema.NumFields) {
		t.Errorf("%d columns, %v", len(all), err)
	}
	n := 0
	if _, err := s.Export(t.Context(), store.SearchRequest{Org: "main"}, all, 7, func([]any) error { n++; return nil }); err != nil || n != 7 {
		t.Errorf("%d rows of at most 7, %v", n, err)
	}
	if _, err := store.ExportColumns([]string{"no.such"}); schema.CodeOf(err) != schema.Invalid {
		t.Errorf("an unknown column: %v", err)
	}
}

// tail: what arrives is seen, whenever it happened, and only that.
func tail(t *testing.T, s *store.Store) {
	since := time.Now().Add(50 * time.Millisecond)
	time.Sleep(100 * time.Millisecond)
	b := store.NewBatch()
	var e schema.Event
	e.Reset([]byte("late"), 0)
	e.ID = schema.EventIDAt(777, 0)
	e.SetTime(schema.FTimestamp, searchDay.AddDate(-3, 0, 0))
	b.Append(&e)
	if err := s.InsertEvents(t.Context(), "main", "late", schema.HashID("late"), time.Now(), b); err != nil {
		t.Fatal(err)
	}
	res, err := s.Search(t.Context(), store.SearchRequest{Org: "main", Since: since, From: time.Unix(0, 0), To: time.Now().AddDate(1, 0, 0)})
	if err != nil || len(res.Rows) != 1 || res.Rows[0].Source != "late" {
		t.Errorf("%+v, %v", res.Rows, err)
	}
}

func saved(t *testing.T, s *store.Store) {
	d := schema.Saved{Org: "main", Kind: schema.SavedSearch, ID: "mine", Title: "Mine", Owner: "ana", Doc: "event.outcome:failure", Columns: []string{"user.name"}, Version: 1}
	if err := s.PutSaved(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Saved(t.Context(), "main", schema.SavedSearch); err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], d) {
		t.Errorf("%+v, %v", all, err)
	}
	d.Deleted, d.Version = true, 2
	if err := s.PutSaved(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Saved(t.Context(), "main", schema.SavedSearch); err != nil || len(all) != 0 {
		t.Errorf("deleted, and yet %+v, %v", all, err)
	}
	if other, err := s.Saved(t.Context(), "other", schema.SavedSearch); err != nil || len(other) != 0 {
		t.Errorf("another org sees %+v, %v", other, err)
	}
}
