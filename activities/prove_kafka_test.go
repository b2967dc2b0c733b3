package activities

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"vigil/schema"
	"vigil/schema/flow"
)

// TestProveKafka plants a loss, a double, other bytes and a hole: each is found.
func TestProveKafka(t *testing.T) {
	k, err := kfake.NewCluster(kfake.SeedTopics(1, "logs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.DefaultProduceTopic("logs"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for i := range 100 {
		if err := cl.ProduceSync(t.Context(), kgo.StringRecord(text(i))).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	list, err := kadm.NewClient(cl).ListTopics(t.Context(), "logs")
	if err != nil {
		t.Fatal(err)
	}
	id := schema.HashID("kafka", "logs", list["logs"].ID.String(), "0")
	chunk := func(from, to int) schema.Chunk {
		sum := sha256.New()
		for i := from; i < to; i++ {
			fmt.Fprintln(sum, text(i))
		}
		return schema.Chunk{ID: fmt.Sprint("c", from), Object: "kafka://logs/0", Fingerprint: id, From: int64(from), To: int64(to), Records: int64(to - from), Bytes: 1, Hash: hex.EncodeToString(sum.Sum(nil))}
	}
	for name, c := range map[string]struct {
		plant   func([]schema.Chunk) []schema.Chunk
		problem string // "" for none
	}{
		"as it is":  {func(l []schema.Chunk) []schema.Chunk { return l }, ""},
		"one lost":  {func(l []schema.Chunk) []schema.Chunk { l[1].Records--; return l }, "chunk c40 (kafka://logs/0 40–70): the log holds 30 records there, the manifest 29"},
		"a double":  {func(l []schema.Chunk) []schema.Chunk { l[1].Records++; return l }, "the manifest 31"},
		"altered":   {func(l []schema.Chunk) []schema.Chunk { l[0].Hash = l[1].Hash; return l }, "chunk c0"},
		"a hole":    {func(l []schema.Chunk) []schema.Chunk { return append(l[:1], l[2]) }, "the offsets between are in no chunk"},
		"too much":  {func(l []schema.Chunk) []schema.Chunk { l[2].To = 200; return l }, "the log ends at 100, the manifest at 200"},
		"made anew": {func(l []schema.Chunk) []schema.Chunk { l[0].Fingerprint = "other"; return l }, "file does not exist"},
	} {
		p := Proof{def: flow.IngestInput{Kafka: &schema.KafkaSource{Brokers: k.ListenAddrs(), Topics: []string{"logs"}}}}
		err := p.requeue(t.Context(), c.plant([]schema.Chunk{chunk(0, 40), chunk(40, 70), chunk(70, 90)}))
		all := strings.Join(p.Problems, "\n")
		if err != nil {
			all += err.Error()
		}
		if (c.problem == "") != (all == "") || !strings.Contains(all, c.problem) {
			t.Errorf("%s: %s", name, all)
		}
		if name == "as it is" && (p.Waiting != 10 || p.Gaps != 0) {
			t.Errorf("%+v", p)
		}
	}
}

func text(i int) string { return fmt.Sprintf("record %d", i) }
