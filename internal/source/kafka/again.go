package kafka

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"vigil/schema"
)

// Log is what a partition keeps.
type Log struct {
	Start, End int64 // offsets; End exclusive, of what transactions have decided
	Compacted  bool  // records may vanish from the middle of it
}

// Again reads a partition once more, outside any group, for proofs: it hands on every
// record from one offset to another that the log still has. The error is os.ErrNotExist
// when the topic is not the one of that fingerprint any more.
func Again(ctx context.Context, src *schema.KafkaSource, object, id string, from, to int64, fn func(offset int64, data []byte)) (Log, error) {
	topic, number, err := partition(object)
	if err != nil {
		return Log{}, err
	}
	one := *src
	one.Topics = []string{topic}
	cl, err := dial(&one)
	if err != nil {
		return Log{}, err
	}
	l, err := look(ctx, cl, &one, number, id)
	cl.Close()
	if err != nil {
		return l, err
	}
	if from, to = max(from, l.Start), min(to, l.End); from >= to {
		return l, nil
	}
	cl, err = dial(&one, kgo.KeepControlRecords(), kgo.FetchMaxBytes(16<<20), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {number: kgo.NewOffset().At(from)}}))
	if err != nil {
		return l, err
	}
	defer cl.Close()
	return l, each(ctx, cl, to, fn)
}

// quiet is after how long without a record the rest of a range is taken to be gone.
const quiet = 15 * time.Second

func each(ctx context.Context, cl *kgo.Client, to int64, fn func(offset int64, data []byte)) error {
	for last := time.Now(); time.Since(last) < quiet; {
		poll, cancel := context.WithTimeout(ctx, time.Second)
		f := cl.PollFetches(poll)
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := f.Err0(); err != nil && poll.Err() == nil {
			return err
		}
		for r := range f.RecordsAll() {
			last = time.Now()
			if r.Offset < to && !r.Attrs.IsControl() {
				fn(r.Offset, r.Value)
			}
			if r.Offset >= to-1 {
				return nil
			}
		}
	}
	return nil
}

// partition reads what Name wrote.
func partition(object string) (topic string, number int32, err error) {
	rest, ok := strings.CutPrefix(object, "kafka://")
	topic, digits, found := strings.Cut(rest, "/")
	n, err := strconv.ParseInt(digits, 10, 32)
	if !ok || !found || err != nil {
		return "", 0, fmt.Errorf("%q names no partition", object)
	}
	return topic, int32(n), nil
}

func look(ctx context.Context, cl *kgo.Client, src *schema.KafkaSource, n int32, id string) (Log, error) {
	list, err := topics(ctx, cl, src)
	topic := src.Topics[0]
	if err != nil {
		return Log{}, err
	}
	if fingerprint(topic, list[topic].ID, n) != id {
		return Log{}, fmt.Errorf("the topic %s was deleted and made anew: %w", topic, os.ErrNotExist)
	}
	adm := kadm.NewClient(cl)
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return Log{}, err
	}
	ends, err := adm.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return Log{}, err
	}
	s, _ := starts.Lookup(topic, n)
	e, _ := ends.Lookup(topic, n)
	l := Log{Start: s.Offset, End: e.Offset}
	configs, err := adm.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return l, nil // the user may not ask; then it counts as not compacted
	}
	for _, r := range configs {
		for _, c := range r.Configs {
			if c.Key == "cleanup.policy" && c.Value != nil {
				l.Compacted = strings.Contains(*c.Value, "compact")
			}
		}
	}
	return l, nil
}
