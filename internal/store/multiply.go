package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// CopyEvents adds altered copy n of a source's events to another source, inside of the
// engine: other ids, event times, hosts, users, addresses and process ids, ten copies a
// day from the day of from on. It makes large stores for measurements, and nothing else:
// the manifest does not know what it adds. The same copy is not added twice.
func (s *Store) CopyEvents(ctx context.Context, org, source, to string, n int, from time.Time) error {
	chunk := fmt.Sprintf("%s-%d", to, n)
	var done uint64
	if _, err := s.row(ctx, "SELECT count() FROM events WHERE org = {org:String} AND chunk = {chunk:String}", P{"org": org, "chunk": chunk}, &done); err != nil || done > 0 {
		return err
	}
	day := from.UTC().Truncate(24*time.Hour).AddDate(0, 0, n/10)
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{ // blocks that leave room for what else runs
		"max_insert_threads": 1, "min_insert_block_size_rows": 150_000, "min_insert_block_size_bytes": 150_000_000, "max_block_size": 16_384}))
	err := s.exec(ctx, `INSERT INTO events SELECT * REPLACE (
	{to:String} AS source, {chunk:String} AS chunk, sipHash128Keyed((toUInt64({n:Int64}), toUInt64(1)), id) AS id, {day:DateTime64(6)} + INTERVAL 12 HOUR AS ingested,
	fromUnixTimestamp64Micro(toUnixTimestamp64Micro({day:DateTime64(6)}) + positiveModulo(toUnixTimestamp64Micro(timestamp) + 7919000000 * {n:Int64}, 86400000000), 'UTC') AS timestamp,
	if(host_name = '', '', concat(host_name, '-', toString({n:Int64} % 200))) AS host_name,
	if(winlog_computer_name = '', '', concat(winlog_computer_name, '-', toString({n:Int64} % 200))) AS winlog_computer_name,
	if(user_name IN ('', 'SYSTEM', 'root'), user_name, concat(user_name, toString({n:Int64} % 500))) AS user_name,
	if(source_ip = toIPv6('::'), source_ip, IPv4ToIPv6(toIPv4(toUInt32(167772160 + cityHash64(source_ip, {n:Int64}) % 16777216)))) AS source_ip,
	if(process_pid = 0, 0, process_pid + 4 * {n:Int64}) AS process_pid)
FROM (SELECT * FROM events WHERE org = {org:String} AND source = {source:String})`,
		P{"org": org, "source": source, "to": to, "chunk": chunk, "n": n, "day": day})
	if err != nil {
		return fmt.Errorf("copying events: %w", err)
	}
	return nil
}

// RepeatEvents makes the events table hold each of its events that many times, by links to
// the parts on disk. Like CopyEvents it is for measurements.
func (s *Store) RepeatEvents(ctx context.Context, times int) error {
	const once = "events_once"
	if err := s.exec(ctx, "CREATE TABLE "+once+" AS events", P{}); err != nil {
		return fmt.Errorf("repeating events: %w", err)
	}
	defer func() { _ = s.exec(context.WithoutCancel(ctx), "DROP TABLE "+once, P{}) }()
	var ids []string
	if _, err := s.row(ctx, "SELECT groupUniqArray(partition_id) FROM system.parts WHERE database = {db:String} AND table = 'events' AND active", P{"db": s.o.Database}, &ids); err != nil {
		return fmt.Errorf("repeating events: %w", err)
	}
	attach := func(to, from string) error {
		for _, id := range ids {
			if err := s.exec(ctx, fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION ID '%s' FROM %s", to, id, from), P{}); err != nil {
				return fmt.Errorf("repeating events: %w", err)
			}
		}
		return nil
	}
	if err := attach(once, "events"); err != nil {
		return err
	}
	for range times - 1 {
		if err := attach("events", once); err != nil {
			return err
		}
	}
	return nil
}

// Merging is how many merges of the events table run.
func (s *Store) Merging(ctx context.Context) (int64, error) {
	var n int64
	_, err := s.row(ctx, "SELECT toInt64(count()) FROM system.merges WHERE database = {db:String} AND table = 'events'", P{"db": s.o.Database}, &n)
	return n, err
}
