package action

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"vigil/schema"
)

// tagAction tags alerts.
type tagAction struct{ tags Tags }

// Definition implements [Action].
func (tagAction) Definition() Definition {
	return Definition{Verb: "tag", Title: "Tag alerts", Target: "tag", Risk: Low, Blast: "a word on alerts", Idempotent: "a tag is there once",
		Inputs: []Input{{"tag", Text, true, "the tag"}, {"alerts", List, true, "alert ids"}}}
}

// Run implements [Action].
func (t tagAction) Run(ctx context.Context, r Request) (Result, error) {
	ids := split(r.Arguments["alerts"])
	if r.DryRun {
		return Result{Outcome: DryRun, Outputs: map[string]string{"tagged": strconv.Itoa(len(ids))}}, nil
	}
	n, err := t.tags.TagAlerts(ctx, r.Org, ids, r.Target)
	if err != nil {
		return Result{}, err
	}
	out := Result{Outcome: Done, Outputs: map[string]string{"tagged": strconv.Itoa(n)}}
	if n == 0 {
		out.Outcome = AlreadyDone
	}
	return out, nil
}

// Undo implements [Action].
func (tagAction) Undo(context.Context, Request) (Result, error) {
	return Result{}, schema.E(schema.Invalid, "tags are taken off by hand", "")
}

func split(list string) []string {
	var out []string
	for v := range strings.SplitSeq(list, ",") {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out
}

// peersAction finds who else talked to an address.
type peersAction struct{ peers Peers }

// maxPeers bounds how many peers are named.
const maxPeers = 20

// Definition implements [Action].
func (peersAction) Definition() Definition {
	return Definition{Verb: "find-peers", Title: "Find who else talked to an address", Target: "address", Risk: Low, Reads: true, Blast: "reads stored events", Idempotent: "it changes nothing",
		Inputs: []Input{{"address", Address, true, "the address"}}}
}

// Run implements [Action]: outputs are peers (names, most events first), count and
// events.
func (p peersAction) Run(ctx context.Context, r Request) (Result, error) {
	found, err := p.peers.TalkedTo(ctx, r.Org, r.Target, maxPeers)
	if err != nil {
		return Result{}, err
	}
	names, events := make([]string, len(found)), int64(0)
	for i, f := range found {
		names[i] = fmt.Sprintf("%s (%d)", f.Peer, f.Events)
		events += f.Events
	}
	return Result{Outcome: Done, Outputs: map[string]string{"peers": strings.Join(names, ", "), "count": strconv.Itoa(len(found)), "events": strconv.FormatInt(events, 10)}}, nil
}

// Undo implements [Action]; there is nothing to undo.
func (peersAction) Undo(context.Context, Request) (Result, error) {
	return Result{Outcome: AlreadyDone}, nil
}

// huntAction starts a hunt over stored history.
type huntAction struct{ hunts Hunts }

// Definition implements [Action].
func (huntAction) Definition() Definition {
	return Definition{Verb: "run-hunt", Title: "Hunt with a rule over stored history", Target: "rule", Risk: Low, Idempotent: "the hunt's id is made of the key", Blast: "reads stored events",
		Inputs: []Input{{"rule", Name, true, "id of a loaded rule"}, {"hours", Hours, false, "how far back; default 24"}}}
}

// Run implements [Action].
func (h huntAction) Run(ctx context.Context, r Request) (Result, error) {
	hours := int(r.hours(24).Hours())
	if r.DryRun {
		return Result{Outcome: DryRun, Outputs: map[string]string{"rule": r.Target, "hours": strconv.Itoa(hours)}}, nil
	}
	if h.hunts == nil {
		return Result{}, schema.E(schema.Unavailable, "no hunts can be started here", "")
	}
	id, err := h.hunts.StartHunt(ctx, r.Org, r.Target, r.Key, hours)
	if schema.CodeOf(err) == schema.Conflict {
		return Result{Outcome: AlreadyDone, Outputs: map[string]string{"hunt": id}}, nil
	}
	return Result{Outcome: Done, Outputs: map[string]string{"hunt": id}}, err
}

// Undo implements [Action]; a hunt changes nothing.
func (huntAction) Undo(context.Context, Request) (Result, error) {
	return Result{Outcome: AlreadyDone}, nil
}
