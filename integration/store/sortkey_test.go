package store_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"vigil/internal/standalone/clickhouse"
	"vigil/schema"
)

// sortKeys are the candidates for the order of the events table; the first is the one
// that the migration has. ORDER BY cannot be altered later.
var sortKeys = []struct{ name, key string }{
	{"hour,dataset,time", "(org, toStartOfHour(timestamp), event_dataset, timestamp)"},
	{"dataset,hour,time", "(org, event_dataset, toStartOfHour(timestamp), timestamp)"},
	{"time", "(org, timestamp)"},
}

// sortQueries are what analysts and hunts ask; %s is the table.
var sortQueries = []struct{ name, sql string }{
	{"latest-100-of-an-hour", `SELECT lower(hex(id)), timestamp, message FROM %s WHERE org = 'main' AND timestamp >= '2026-01-29 12:00:00' AND timestamp < '2026-01-29 13:00:00' ORDER BY timestamp DESC, id LIMIT 100`},
	{"latest-100-of-all", `SELECT lower(hex(id)), timestamp, message FROM %s WHERE org = 'main' ORDER BY timestamp DESC, id LIMIT 100`},
	{"dataset-one-hour", `SELECT count(), uniq(source_ip) FROM %s WHERE org = 'main' AND event_dataset = 'set3' AND timestamp >= '2026-01-20 12:00:00' AND timestamp < '2026-01-20 13:00:00'`},
	{"dataset-all-time", `SELECT count(), uniq(source_ip) FROM %s WHERE org = 'main' AND event_dataset = 'set3'`},
	{"host-one-day", `SELECT count() FROM %s WHERE org = 'main' AND host_name = 'host77' AND timestamp >= '2026-01-20 00:00:00' AND timestamp < '2026-01-21 00:00:00'`},
	{"histogram-30-days", `SELECT toStartOfHour(timestamp) AS t, event_dataset, count() FROM %s WHERE org = 'main' GROUP BY t, event_dataset`},
}

const sortRows = 20_000_000

// BenchmarkSortKey compares candidates for the sort key over 20 million events of 30
// days in 12 data sets. It takes minutes:
// go test ./integration/store -run '^$' -bench SortKey -benchtime 5x -timeout 60m
func BenchmarkSortKey(b *testing.B) {
	e, err := clickhouse.Start(b.Context(), clickhouse.Options{Dir: b.TempDir(), MaxMemory: 6 << 30})
	if err != nil {
		b.Skip(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = e.Stop(ctx)
	}()
	for i, k := range sortKeys {
		table := fmt.Sprintf("vigil.keys%d", i)
		ddl := strings.Replace(schema.EventsDDL(), "ORDER BY "+sortKeys[0].key, "ORDER BY "+k.key, 1)
		query(b, e, strings.Replace(ddl[strings.Index(ddl, "CREATE"):], "EXISTS events", "EXISTS "+table, 1))
		// Chunks arrive in the order of time, mixed as ingestion mixes them.
		query(b, e, fmt.Sprintf(`INSERT INTO %s (org, source, id, ingested, timestamp, event_dataset, host_name, source_ip, destination_port, message)
			SELECT 'main', 's', reinterpretAsFixedString(generateUUIDv4()), '2026-02-01 00:00:00', toDateTime64('2026-01-01 00:00:00', 6) + toIntervalMicrosecond(number * 129600 + rand(1) %% 60000000),
			concat('set', toString(rand(2) %% 12)), concat('host', toString(rand(3) %% 500)), toIPv6(concat('::ffff:10.', toString(rand(4) %% 8), '.', toString(rand(5) %% 256), '.', toString(rand(6) %% 256))), rand(7) %% 1024,
			concat('connection ', toString(rand(8)), ' from host ', toString(rand(9) %% 500)) FROM numbers(%d) SETTINGS max_insert_threads = 1, max_block_size = 100000`, table, sortRows))
		query(b, e, "OPTIMIZE TABLE "+table+" FINAL")
		for _, q := range sortQueries {
			b.Run(k.name+"/"+q.name, func(b *testing.B) {
				for b.Loop() {
					query(b, e, fmt.Sprintf(q.sql, table))
				}
			})
		}
		disk, err := strconv.ParseFloat(strings.TrimSpace(query(b, e, fmt.Sprintf("SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE active AND concat(database, '.', table) = '%s'", table))), 64)
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("%s: %.1f bytes an event", k.name, disk)
		query(b, e, "DROP TABLE "+table)
	}
}

func query(b *testing.B, e *clickhouse.Engine, sql string) string {
	b.Helper()
	q := url.Values{"user": {e.User}, "password": {e.Password.Reveal()}}
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://"+e.HTTPAddr+"/?"+q.Encode(), strings.NewReader(sql))
	if err != nil {
		b.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	out, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		b.Fatalf("%s %v\n%s\n%s", res.Status, err, out, sql)
	}
	return string(out)
}
