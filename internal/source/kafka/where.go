package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"vigil/schema"
)

// where finds out from where partitions are read: from where the manifest ends; else from
// where an earlier member began; else from where the source is told to start.
type where struct {
	c      *Consumer
	adm    *kadm.Client
	topics kadm.TopicDetails
	places map[string]Place
	group  kadm.OffsetResponses
	starts kadm.ListedOffsets // oldest offsets that are kept
	ends   kadm.ListedOffsets
	timed  kadm.ListedOffsets // first offsets from the start time on; nil: not asked yet
}

// look asks the group before the manifest: whatever is claimed later than that is not
// claimed by anybody but us.
func (w *where) look(ctx context.Context) (err error) {
	names := w.c.Source.Topics
	if w.topics, err = topics(ctx, w.c.cl, w.c.Source); err != nil {
		return err
	}
	if w.group, err = w.adm.FetchOffsetsForTopics(ctx, w.c.Group, names...); err != nil {
		return err
	}
	if w.starts, err = w.adm.ListStartOffsets(ctx, names...); err != nil {
		return err
	}
	if w.ends, err = w.adm.ListEndOffsets(ctx, names...); err != nil {
		return err
	}
	w.places, err = w.c.Ledger.Places(ctx)
	return err
}

func (w *where) part(ctx context.Context, topic string, n int32) (*part, error) {
	p := &part{topic: topic, number: n, id: fingerprint(topic, w.topics[topic].ID, n)}
	group, _ := w.group.Lookup(topic, n)
	if group.Err != nil {
		return nil, fmt.Errorf("asking the group for %s: %w", Name(topic, n), group.Err)
	}
	claim := parse(group.Metadata, p.id, w.c.Epoch)
	start, ok := w.starts.Lookup(topic, n)
	end, _ := w.ends.Lookup(topic, n)
	if !ok || start.Err != nil || end.Err != nil {
		return nil, schema.E(schema.Unavailable, "the log of "+Name(topic, n)+" cannot be asked for its bounds", "", errors.Join(start.Err, end.Err))
	}
	p.end, p.goal = end.Offset, end.Offset
	var stored bool
	if p.at, stored = w.places[p.id]; !stored {
		switch {
		case claim.ID != "":
			p.at.To = claim.From
		default:
			at, err := w.start(ctx, topic, n, start.Offset)
			if err != nil {
				return nil, err
			}
			p.at.To, p.mark = at, true
		}
	}
	switch {
	case p.at.To > end.Offset:
		return nil, schema.E(schema.Unavailable, fmt.Sprintf("%s ends at %d, before the %d up to which it is stored: the cluster has lost records that it had confirmed", Name(topic, n), end.Offset, p.at.To),
			"when the cluster is as it should be, take what comes from now on by raising the epoch of the source")
	case start.Offset > p.at.To:
		// Retention was faster than we were. What was claimed cannot be made again either.
		w.c.Log.Warn("records were deleted by retention before they were read", "partition", Name(topic, n), "from", p.at.To, "to", start.Offset-1, "claimed", claim.To)
		p.lost = start.Offset
	case claim.From == p.at.To:
		p.claim = claim
	}
	p.mark = p.mark || p.claim.To == 0 && group.At != p.at.To
	return p, nil
}

// start is where a partition begins that nothing is known of.
func (w *where) start(ctx context.Context, topic string, n int32, oldest int64) (int64, error) {
	at := w.c.Since
	if at.IsZero() && w.c.Source.Start == schema.StartLatest {
		at = w.c.Latest
	}
	if at.IsZero() {
		return oldest, nil
	}
	if w.timed == nil {
		var err error
		if w.timed, err = w.adm.ListOffsetsAfterMilli(ctx, at.UnixMilli(), w.c.Source.Topics...); err != nil {
			return 0, fmt.Errorf("looking for the records since %s: %w", at.Format(time.RFC3339), err)
		}
	}
	o, ok := w.timed.Lookup(topic, n)
	if !ok || o.Err != nil {
		return 0, fmt.Errorf("looking for the records of %s since %s: %w", Name(topic, n), at.Format(time.RFC3339), o.Err)
	}
	return max(o.Offset, oldest), nil
}
