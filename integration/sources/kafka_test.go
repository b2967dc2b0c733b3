package sources

import (
	"bytes"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"vigil/internal/source"
	"vigil/internal/testdata"
	"vigil/schema"
	"vigil/schema/flow"
)

// recording are the records of real recordings of Windows attacks.
func recording(t *testing.T, most int) [][]byte {
	t.Helper()
	var out [][]byte
	for o, err := range source.Objects(t.Context(), []string{filepath.Join(testdata.Shared(t), "mordor", "windows", "credential_access")}) {
		if err != nil {
			continue
		}
		for rec, err := range o.Records(t.Context(), 0) {
			if err != nil {
				break
			}
			if len(out) == most {
				return out
			}
			if len(bytes.TrimSpace(rec.Data)) > 0 {
				out = append(out, bytes.Clone(rec.Data))
			}
		}
	}
	return out
}

func kafkaCluster(t *testing.T, o ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(append(o, kfake.NumBrokers(2))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func send(t *testing.T, k *kfake.Cluster, topic string, records [][]byte) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.SnappyCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, r := range records {
		cl.Produce(t.Context(), &kgo.Record{Value: r}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestKafka consumes a real recording by two members. They are cut off between the rows
// and the manifest of a chunk, the worker is stopped and started, and the source is paused
// and stored again: every record is there once, and the proof by offsets agrees.
func TestKafka(t *testing.T) {
	all := recording(t, 3000)
	if len(all) < 1000 {
		t.Fatalf("%d records", len(all))
	}
	third := len(all) / 3
	k := kafkaCluster(t, kfake.SeedTopics(4, "windows"))
	w := newWorld(t)
	send(t, k, "windows", all[:third])
	w.start(flow.IngestInput{Source: "edge", Kind: flow.KindKafka, Kafka: &schema.KafkaSource{Brokers: k.ListenAddrs(), Topics: []string{"windows"}, Members: 2}})
	w.reach("edge", int64(third))

	// Pausing in the middle of a chunk leaves rows that the manifest does not know.
	var once sync.Once
	paused := make(chan struct{})
	w.crash = func(point string) {
		if point == "after-events" {
			once.Do(func() {
				go func() {
					defer close(paused)
					w.tell("edge", flow.UpdatePause, flow.SourceControl{By: "ana"})
				}()
				time.Sleep(8 * time.Second) // until the heartbeat has brought the news
			})
		}
	}
	send(t, k, "windows", all[third:2*third])
	<-paused
	if p := w.prove("edge"); p.OK || !strings.Contains(strings.Join(p.Problems, "\n"), "the manifest does not know it") {
		t.Errorf("nothing is in doubt, so the test is void: %+v", p)
	}
	w.tell("edge", flow.UpdateResume, flow.SourceControl{By: "ana"})
	w.reach("edge", int64(2*third))

	w.stop()
	send(t, k, "windows", all[2*third:])
	w.startWorker()
	w.reach("edge", int64(len(all)))
	p := w.proved("edge", int64(len(all)))
	if p.Objects != 4 || p.Reread != 4 || p.Waiting != 0 || p.Lost != 0 || p.Gaps != 0 {
		t.Errorf("%+v", p)
	}
	if st := w.totals("edge"); st.Detections == 0 {
		t.Error("no rule fired on a recording of attacks")
	}
	defs, err := w.store.SourceDefs(t.Context(), "main")
	if err != nil || len(defs) != 1 || defs[0].ID != "edge" || defs[0].Kind != flow.KindKafka {
		t.Errorf("%+v (%v)", defs, err)
	}
	w.save(flow.IngestID("main", "edge"), "Ingest-kafka")

	w.tell("edge", flow.UpdateRewind, flow.SourceControl{By: "ana", To: time.Now().Add(-time.Hour), Again: true})
	w.reach("edge", 2*int64(len(all)))
	w.proved("edge", 2*int64(len(all)))
}
