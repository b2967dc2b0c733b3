package flow

import "vigil/schema"

// SourceKind is a row of the table of what kinds of sources there are, how the Ingest
// workflow moves them, and what can be asked of them.
type SourceKind struct {
	Name string
	// Activity moves a stretch of the source: activities.SegmentInput in,
	// activities.SegmentResult out. "": the kind has a workflow of its own.
	Activity string
	// Planned kinds count their objects first, and end when all are complete. The others
	// go on until they are cancelled, unless Once is set.
	Planned bool
	// OnHost kinds run on the queue of the host that they name: only it can read them.
	OnHost bool
	// Held kinds keep a slot of their queue for as long as they live: they have a queue
	// with room for many, which every worker serves.
	Held bool
	// The rest says what a control does to sources of the kind; "" means that they do not
	// take it, and Instead what to do.
	Pause, Rewind, Backfill, Schedule string
	Instead                           string
}

// The kinds of sources.
const (
	KindFiles = "files"
	KindTail  = "tail"
	KindPull  = "pull"
	KindKafka = "kafka"
	KindS3    = "s3"
	KindPush  = "push"
)

// SourceKinds is the table of the kinds of sources.
func SourceKinds() []SourceKind {
	return []SourceKind{
		{Name: KindFiles, Activity: "IngestSegment", Planned: true,
			Pause:    "stops between chunks",
			Rewind:   "walks the paths again; files changed since then that are not complete are read on",
			Backfill: "reads the paths that are named",
			Schedule: "walks the paths again, every so often"},
		{Name: KindTail, Activity: "FollowFiles", OnHost: true,
			Pause:    "stops reading; the files wait",
			Rewind:   "looks for files changed since then, rotated ones too, and reads what is not committed of them",
			Backfill: "reads the files that are named to their end, under the same identities",
			Instead:  "it is always followed; pause it"},
		{Name: KindPull, Activity: "PullPages", OnHost: true,
			Pause:    "stops asking; what was fetched is still stored",
			Rewind:   "asks again from then on; records that are known by their id are skipped",
			Backfill: "asks for the range as separate work, with a cursor of its own",
			Schedule: "asks every so often"},
		{Name: KindKafka, Activity: "ConsumeKafka", Held: true,
			Pause:   "leaves the consumer group; the topics keep what comes",
			Rewind:  "with again: what the topics keep since then is stored again; without it nothing changes, because each offset is stored once",
			Instead: "it is always consumed, and each offset is stored once: rewind it with again, or pause it"},
		{Name: KindS3, Activity: "PullObjects", Held: true,
			Pause:    "stops listing or hearing; the bucket and the queue keep what comes",
			Rewind:   "lists everything written since then; objects that are known by key and version are skipped",
			Backfill: "lists what was written in the range, and ends",
			Schedule: "lists every so often"},
		{Name: KindPush,
			Pause:   "stops draining; the spool fills, and senders are told to wait when it is full",
			Instead: "what was pushed is not here any more: let the sender send it again"},
	}
}

// KindOf returns the row of a kind; the empty name is that of files.
func KindOf(name string) (SourceKind, error) {
	if name == "" {
		name = KindFiles
	}
	var names []string
	for _, k := range SourceKinds() {
		if k.Name == name {
			return k, nil
		}
		names = append(names, k.Name)
	}
	hint := "files, tail, pull, kafka or s3"
	if near := schema.Nearest(name, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	return SourceKind{}, schema.E(schema.Invalid, "there is no kind of source "+name, hint)
}

// Controls are what can be asked of a source, by name.
func Controls() []string { return []string{"pause", "resume", "rewind", "backfill", "schedule"} }

// Takes says whether sources of the kind take a control; if not, the error says why.
func (k SourceKind) Takes(control string) error {
	does := map[string]string{"pause": k.Pause, "resume": k.Pause, "rewind": k.Rewind, "backfill": k.Backfill, "schedule": k.Schedule}[control]
	if does == "" {
		return schema.E(schema.Invalid, "a "+k.Name+" source takes no "+control, k.Instead)
	}
	return nil
}

// Queue is the task queue of the kind's activity.
func (k SourceKind) Queue(host string) string {
	if k.OnHost {
		return QueueSpool(host)
	}
	if k.Held {
		return QueuePull
	}
	return QueueIngest
}
