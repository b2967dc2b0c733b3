package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// ListEntry is one value on a list that firewalls poll or that is watched.
type ListEntry struct {
	Org, List, Value, Reason, Run string
	Added, Expires                time.Time
	Removed                       bool
	Version                       uint64
}

const listColumns = "org, list, value, reason, run, added, expires, removed, version"

func (s *Store) listEntries(ctx context.Context, where string, p P) ([]ListEntry, error) {
	out := []ListEntry{}
	err := s.each(ctx, "SELECT "+listColumns+" FROM blocklist FINAL WHERE "+where+" ORDER BY value", p, func(r driver.Rows) error {
		var e ListEntry
		if err := r.Scan(&e.Org, &e.List, &e.Value, &e.Reason, &e.Run, &e.Added, &e.Expires, &e.Removed, &e.Version); err != nil {
			return err
		}
		out = append(out, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading a list: %w", err)
	}
	return out, nil
}

// ListEntry returns the entry of a value, removed or not; version 0 when there is none.
func (s *Store) ListEntry(ctx context.Context, org, list, value string) (ListEntry, error) {
	all, err := s.listEntries(ctx, "org = {org:String} AND list = {list:String} AND value = {value:String}", P{"org": org, "list": list, "value": value})
	if err != nil || len(all) == 0 {
		return ListEntry{}, err
	}
	return all[0], nil
}

// ListEntries returns what is on the list and not removed, expired or not.
func (s *Store) ListEntries(ctx context.Context, org, list string) ([]ListEntry, error) {
	return s.listEntries(ctx, "org = {org:String} AND list = {list:String} AND NOT removed", P{"org": org, "list": list})
}

// PutListEntry stores an entry; the highest Version holds.
func (s *Store) PutListEntry(ctx context.Context, e ListEntry) error {
	err := s.insertSmall(ctx, "blocklist", listColumns, []any{e.Org, e.List, e.Value, e.Reason, e.Run, e.Added, e.Expires, e.Removed, e.Version})
	if err != nil {
		return fmt.Errorf("writing list %s: %w", e.List, err)
	}
	return nil
}

// TalkedTo is somebody who talked to an address.
type TalkedTo struct {
	Peer        string
	Events      int64
	First, Last time.Time
}

// TalkedTo returns the other ends of connections with an address, most events first.
func (s *Store) TalkedTo(ctx context.Context, org, address string, limit int) ([]TalkedTo, error) {
	var out []TalkedTo
	err := s.each(ctx, `SELECT peer, toInt64(count()), min(timestamp), max(timestamp) FROM (
SELECT timestamp, if(source_ip = toIPv6({address:String}), destination_ip, source_ip) AS other,
 replaceOne(if(other = toIPv6('::'), host_name, toString(other)), '::ffff:', '') AS peer
FROM events WHERE org = {org:String} AND (source_ip = toIPv6({address:String}) OR destination_ip = toIPv6({address:String})))
WHERE peer != '' GROUP BY peer ORDER BY count() DESC, peer LIMIT {limit:UInt32}`, P{"org": org, "address": address, "limit": limit}, func(r driver.Rows) error {
		var t TalkedTo
		if err := r.Scan(&t.Peer, &t.Events, &t.First, &t.Last); err != nil {
			return err
		}
		out = append(out, t)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking who talked to %s: %w", address, err)
	}
	return out, nil
}
