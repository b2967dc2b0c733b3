package sources

import (
	"bytes"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"vigil/schema"
	"vigil/schema/flow"
)

// rateRecords is how many records TestRates moves; the figures of docs/FIGURES.md are of
// go test ./integration/sources -run TestRates -rate 50000 -v
var rateRecords = flag.Int("rate", 5000, "records that TestRates takes from each source")

// TestRates takes recorded Windows events from a queue and from a bucket, with broker,
// bucket, worker and engine on this machine, and says how fast. That it is fast is not
// tested: that every record is there, and proved, is.
func TestRates(t *testing.T) {
	records := recording(t, *rateRecords)
	if len(records) < 1000 {
		t.Fatalf("%d records", len(records))
	}
	k := kafkaCluster(t, kfake.SeedTopics(4, "windows"))
	send(t, k, "windows", records)
	b := newBucket(t)
	n := 0
	for part := range slices.Chunk(records, max(len(records)/20, 1)) {
		b.put(fmt.Sprintf("windows/%03d.jsonl.gz", n), packed(t, string(append(bytes.Join(part, []byte("\n")), '\n'))))
		n++
	}
	w := newWorld(t)
	w.measure(records, flow.IngestInput{Source: "rate-kafka", Kind: flow.KindKafka, Format: "windows",
		Kafka: &schema.KafkaSource{Brokers: k.ListenAddrs(), Topics: []string{"windows"}, Members: 2}})
	w.measure(records, flow.IngestInput{Source: "rate-s3", Kind: flow.KindS3, Format: "windows", Every: 1,
		S3: &schema.S3Source{Endpoint: b.url, PathStyle: true, Bucket: "logs", Prefix: "windows/"}})
}

// measure starts a source and says how long all of its records took.
func (w *world) measure(records [][]byte, in flow.IngestInput) {
	w.t.Helper()
	bytes, began := 0, time.Now()
	for _, r := range records {
		bytes += len(r)
	}
	w.start(in)
	have := int64(0)
	for end := began.Add(5 * time.Minute); have < int64(len(records)); time.Sleep(50 * time.Millisecond) {
		if have = w.totals(in.Source).Records; time.Now().After(end) {
			w.t.Fatalf("%s has %d of %d records after five minutes", in.Source, have, len(records))
		}
	}
	took := time.Since(began).Seconds()
	w.proved(in.Source, int64(len(records)))
	w.t.Logf("%s: %d records of %d B in %.1f s, start of the source included: %.0f records/s, %.1f MB/s",
		in.Source, len(records), bytes/len(records), took, float64(len(records))/took, float64(bytes)/took/1e6)
}
