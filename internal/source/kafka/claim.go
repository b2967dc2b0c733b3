package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Claim fixes a chunk before any of it is stored. It travels as the metadata of the
// group's committed offset, whose number is where the manifest ends, so that tools that
// show lag are right.
//
// Why nothing is doubled, although two members may both believe to own a partition for a
// moment, and any of them may die anywhere:
//
//  1. A member stores only what it has claimed, and the coordinator takes a claim only
//     from a member of the group's present generation. A member that was put out cannot
//     claim any more, however late it notices.
//  2. The next owner reads claims after its generation has begun, and claims of the one
//     before are refused from then on. So it sees the last claim that was taken.
//  3. A claim that the manifest does not have yet is made again, with its range, its ingest
//     time and its versions: the same chunk id, the same rows, the same deduplication
//     token in the same partition of the tables, after a count of what is there. If the
//     old owner still writes, both write the same, and one of them is dropped.
//  4. A range is claimed only behind the last one that is in the manifest, so ranges never
//     overlap. Where to go on is always the manifest's word, not the group's.
//
// What is left is an owner that sleeps between claim and insert for longer than the tables
// remember tokens (20,000 chunks), and a group that an operator deletes in that very
// moment. `vigil prove` finds both.
type Claim struct {
	ID       string    `json:"id"`    // fingerprint of the partition
	Epoch    int       `json:"epoch"` // of the source
	From     int64     `json:"from"`
	To       int64     `json:"to,omitempty"` // exclusive; 0: nothing is claimed, only where to begin
	Ingested time.Time `json:"ingested,omitzero"`
	Intel    string    `json:"intel,omitempty"`
	Models   string    `json:"models,omitempty"`
	Tables   string    `json:"tables,omitempty"`
	RuleSet  string    `json:"rule_set,omitempty"`
	Lost     bool      `json:"lost,omitempty"` // the log starts at To: what was before is gone
}

// commit gives the group claims, one a partition, and says which of them it took.
func (c *Consumer) commit(ctx context.Context, claims map[*part]Claim) (taken map[*part]bool, err error) {
	offsets := map[string]map[int32]kgo.EpochOffset{}
	texts := map[string]map[int32]string{}
	for p, claim := range claims {
		doc, err := json.Marshal(claim)
		if err != nil {
			return nil, err
		}
		if offsets[p.topic] == nil {
			offsets[p.topic], texts[p.topic] = map[int32]kgo.EpochOffset{}, map[int32]string{}
		}
		offsets[p.topic][p.number] = kgo.EpochOffset{Epoch: -1, Offset: claim.From}
		texts[p.topic][p.number] = string(doc)
	}
	refused := map[string]map[int32]error{}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	with := kgo.PreCommitFnContext(ctx, func(r *kmsg.OffsetCommitRequest) error {
		for i := range r.Topics {
			t := &r.Topics[i]
			for j := range t.Partitions {
				text := texts[t.Topic][t.Partitions[j].Partition]
				t.Partitions[j].Metadata = &text
			}
		}
		return nil
	})
	c.cl.CommitOffsetsSync(with, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, r *kmsg.OffsetCommitResponse, e error) {
		if err = e; e != nil {
			return
		}
		for _, t := range r.Topics {
			refused[t.Topic] = map[int32]error{}
			for _, p := range t.Partitions {
				refused[t.Topic][p.Partition] = kerr.ErrorForCode(p.ErrorCode)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("claiming chunks: %w", err)
	}
	taken = map[*part]bool{}
	for p := range claims {
		e, answered := refused[p.topic][p.number]
		taken[p] = answered && e == nil
		if e != nil && !errors.Is(e, kerr.RebalanceInProgress) {
			c.Log.Info("the group does not take a claim: the partition has another owner, or will have", "partition", Name(p.topic, p.number), "error", e)
		}
	}
	return taken, nil
}

// parse reads what the group has of a partition; the zero Claim when it is not ours.
func parse(text, id string, epoch int) Claim {
	var c Claim
	if json.Unmarshal([]byte(text), &c) != nil || c.ID != id || c.Epoch != epoch {
		return Claim{}
	}
	return c
}
