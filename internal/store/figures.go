package store

import (
	"context"
	"time"
)

// Latency is how long the detections of a source took from the reading of their
// chunk's first record to their alerts: an upper bound for each single event.
type Latency struct {
	Detections uint64
	P50, P99   time.Duration
}

// Latency reads it from the manifest and the fold ledger.
func (s *Store) Latency(ctx context.Context, org, source string) (Latency, error) {
	var l Latency
	var p50, p99 float64
	_, err := s.row(ctx, `WITH toUInt64(c.detections) AS n, dateDiff('millisecond', c.read, f.time) AS ms
		SELECT sum(n), if(sum(n) = 0, 0, toFloat64(quantileExactWeighted(0.5)(ms, n))), if(sum(n) = 0, 0, toFloat64(quantileExactWeighted(0.99)(ms, n)))
		FROM (SELECT id, read, detections FROM chunks FINAL WHERE org = {org:String} AND source = {source:String} AND detections > 0) AS c
		INNER JOIN (SELECT chunk, min(time) AS time FROM folds WHERE org = {org:String} GROUP BY chunk) AS f ON c.id = f.chunk`,
		P{"org": org, "source": source}, &l.Detections, &p50, &p99)
	l.P50, l.P99 = time.Duration(p50)*time.Millisecond, time.Duration(p99)*time.Millisecond
	return l, err
}

// DiskUse is what stored events take on disk.
type DiskUse struct {
	Events  uint64 // rows
	Disk    uint64 // bytes on disk, compressed, with indexes
	Columns uint64 // bytes before compression
	Raw     uint64 // bytes of the records as they arrived
}

// DiskUse sums the active parts of the events table.
func (s *Store) DiskUse(ctx context.Context) (DiskUse, error) {
	var d DiskUse
	if _, err := s.row(ctx, `SELECT sum(rows), sum(bytes_on_disk), sum(data_uncompressed_bytes) FROM system.parts
		WHERE active AND database = currentDatabase() AND table = 'events'`, nil, &d.Events, &d.Disk, &d.Columns); err != nil {
		return d, err
	}
	_, err := s.row(ctx, "SELECT toUInt64(sum(bytes)) FROM chunks FINAL", nil, &d.Raw)
	return d, err
}
