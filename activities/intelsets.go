package activities

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"vigil/internal/enrich"
	"vigil/internal/intel"
	"vigil/schema/flow"
)

// SetStore keeps what indicator sets are made of.
type SetStore interface {
	FeedParts(ctx context.Context, org string) (map[string]string, error)
	PutIntelSet(ctx context.Context, org, version string, parts map[string]string) error
	IntelSet(ctx context.Context, org, version string) (map[string]string, error)
	IntelPart(ctx context.Context, org, part string) ([]string, error)
}

// keptSets is how many compiled sets a process keeps.
const keptSets = 3

// IntelSets hands out indicator sets. The version of now is asked of the store for each
// plan, so every process sees a sync at once; a version that is named is loaded when
// it is first needed, whatever the feeds say by then. It is safe for concurrent use.
type IntelSets struct {
	Store SetStore

	mu       sync.Mutex
	sets     []*intel.Set // newest use last
	recorded string       // org NUL version written last
}

// Version is the set that the feeds make now; "" when there are none. It is recorded
// before it is returned: who pins it can load it for ever.
func (x *IntelSets) Version(ctx context.Context, org string) (string, error) {
	parts, err := x.Store.FeedParts(ctx, org)
	if err != nil {
		return "", err
	}
	v := intel.SetVersion(org, parts)
	x.mu.Lock()
	known := v == "" || x.recorded == org+"\x00"+v
	x.mu.Unlock()
	if known {
		return v, nil
	}
	if err := x.Store.PutIntelSet(ctx, org, v, parts); err != nil {
		return "", err
	}
	x.mu.Lock()
	x.recorded = org + "\x00" + v
	x.mu.Unlock()
	return v, nil
}

// Set returns the set of a version; nil for version "".
func (x *IntelSets) Set(ctx context.Context, org, version string) (*intel.Set, error) {
	if version == "" {
		return nil, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, s := range x.sets {
		if s.Version() == version {
			x.sets = append(slices.Delete(x.sets, i, i+1), s)
			return s, nil
		}
	}
	s, err := x.load(ctx, org, version)
	if err != nil {
		return nil, fmt.Errorf("loading indicator set %s: %w", version, err)
	}
	x.sets = append(x.sets, s)
	x.sets = slices.Clone(x.sets[max(0, len(x.sets)-keptSets):])
	return s, nil
}

func (x *IntelSets) load(ctx context.Context, org, version string) (*intel.Set, error) {
	hashes, err := x.Store.IntelSet(ctx, org, version)
	if err != nil {
		return nil, err
	}
	var parts []intel.Part
	for feed, hash := range hashes {
		entries, err := x.part(ctx, org, hash)
		if err != nil {
			return nil, fmt.Errorf("feed %s: %w", feed, err)
		}
		parts = append(parts, intel.Part{Feed: feed, Hash: hash, Entries: entries})
	}
	return intel.Build(version, parts), nil
}

// part reads a feed's entries and holds them against the hash that names them.
func (x *IntelSets) part(ctx context.Context, org, hash string) ([]intel.Entry, error) {
	bodies, err := x.Store.IntelPart(ctx, org, hash)
	if err != nil {
		return nil, err
	}
	if intel.PartHash(bodies) != hash {
		return nil, fmt.Errorf("the stored indicators of part %s are not complete", hash)
	}
	return intel.DecodePart(bodies)
}

// Part is the enrichment with the set that a plan has pinned, judged at the plan's
// ingest time; nil when the plan has none.
func (x *IntelSets) Part(ctx context.Context, org string, plan flow.IngestPlan) (enrich.Part, error) {
	set, err := x.Set(ctx, org, plan.Intel)
	if err != nil || set == nil {
		return nil, err
	}
	return enrich.Indicators(set, plan.Ingested), nil
}
