package sources

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/klauspost/compress/gzip"
	"github.com/parquet-go/parquet-go"

	"vigil/internal/testdata"
	"vigil/schema"
	"vigil/schema/flow"
)

// bucket is an S3-compatible store with one bucket.
type bucket struct {
	t      *testing.T
	url    string
	client *s3.Client
}

func newBucket(t *testing.T) *bucket {
	t.Helper()
	srv := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(srv.Close)
	b := &bucket{t: t, url: srv.URL, client: s3.New(s3.Options{BaseEndpoint: &srv.URL, UsePathStyle: true, Region: "us-east-1", Credentials: aws.AnonymousCredentials{}})}
	if _, err := b.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("logs")}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bucket) put(key string, data []byte) (etag string) {
	b.t.Helper()
	res, err := b.client.PutObject(b.t.Context(), &s3.PutObjectInput{Bucket: aws.String("logs"), Key: &key, Body: bytes.NewReader(data)})
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.Trim(aws.ToString(res.ETag), `"`)
}

func zipped(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i, n := range names {
		m, err := z.Create(n)
		must(t, err)
		_, err = m.Write([]byte(lines(i*100, i*100+50)))
		must(t, err)
	}
	must(t, z.Close())
	return b.Bytes()
}

func rows(t *testing.T, n int) []byte {
	t.Helper()
	type row struct {
		Time    time.Time `parquet:"time,timestamp(millisecond)"`
		Message string    `parquet:"message"`
		SrcIP   string    `parquet:"src_ip"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b)
	for i := range n {
		_, err := w.Write([]row{{time.UnixMilli(1_700_000_000_000 + int64(i)), fmt.Sprint("row ", i), "192.0.2.7"}})
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

func packed(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(text))
	must(t, err)
	must(t, z.Close())
	return b.Bytes()
}

// TestObjects lists a bucket: compressed, archived, Parquet and real recordings; what comes
// again doubles nothing, what is overwritten is an object of its own, and the proof
// fetches them again.
func TestObjects(t *testing.T) {
	b := newBucket(t)
	w := newWorld(t)
	cloudtrail, err := os.ReadFile(filepath.Join(testdata.Shared(t), "cloud", "cloudtrail-stratus-2023-07-10.jsonl.gz"))
	must(t, err)
	want := recordsOf(t, cloudtrail)
	b.put("trail/2023/07/10.jsonl.gz", cloudtrail)
	b.put("trail/auth.log.gz", packed(t, lines(0, 200)))
	b.put("trail/many!odd.zip", zipped(t, "a.log", "b.log"))
	b.put("trail/flows.parquet", rows(t, 300))
	b.put("trail/empty", nil)
	b.put("trail/torn.zip", []byte("PK\x03\x04 no archive"))
	b.put("other/auth.log", []byte(lines(0, 10)))
	src := &schema.S3Source{Endpoint: b.url, PathStyle: true, Bucket: "logs", Prefix: "trail/"}
	w.start(flow.IngestInput{Source: "bucket", Kind: flow.KindS3, S3: src, Every: 1})
	n := want + 200 + 100 + 300 + 1 // and why torn.zip cannot be read
	w.reach("bucket", n)
	b.put("trail/auth.log.gz", packed(t, lines(0, 200))) // the same again
	b.put("trail/new.log", []byte(lines(0, 30)))
	w.reach("bucket", n+30)
	b.put("trail/new.log", []byte(lines(0, 40))) // other content
	w.reach("bucket", n+30+40)
	w.tell("bucket", flow.UpdatePause, flow.SourceControl{By: "ana"})
	b.put("trail/later.log", []byte(lines(0, 5)))
	time.Sleep(1500 * time.Millisecond)
	w.reach("bucket", n+70)
	w.tell("bucket", flow.UpdateResume, flow.SourceControl{By: "ana"})
	w.tell("bucket", flow.UpdateSchedule, flow.SourceControl{By: "ana", Every: 2})
	w.reach("bucket", n+75)
	p := w.proved("bucket", n-1+75)
	if len(p.Gone) != 1 || !strings.Contains(p.Gone[0], "new.log") || p.Reread < 7 {
		t.Errorf("%+v", p)
	}
	w.save(flow.IngestID("main", "bucket"), "Ingest-s3")
}

func recordsOf(t *testing.T, gz []byte) int64 {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(gz))
	must(t, err)
	var b bytes.Buffer
	_, err = b.ReadFrom(z)
	must(t, err)
	return int64(bytes.Count(b.Bytes(), []byte("\n")))
}

// queue speaks the JSON protocol of SQS for one queue: enough for a consumer.
type queue struct {
	mu       sync.Mutex
	bodies   map[string]string    // by receipt handle
	hidden   map[string]time.Time // until then
	received int
	deleting func() // called before a message is deleted
}

func (q *queue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		ReceiptHandle     string
		WaitTimeSeconds   int
		VisibilityTimeout int
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := map[string]any{}
	switch r.Header.Get("X-Amz-Target") {
	case "AmazonSQS.ReceiveMessage":
		out["Messages"] = q.receive(r.Context(), time.Duration(in.WaitTimeSeconds)*time.Second, time.Duration(in.VisibilityTimeout)*time.Second)
	case "AmazonSQS.ChangeMessageVisibility":
	case "AmazonSQS.DeleteMessage":
		q.deleting()
		q.mu.Lock()
		delete(q.bodies, in.ReceiptHandle)
		q.mu.Unlock()
	default:
		http.Error(w, "unknown target", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_ = json.NewEncoder(w).Encode(out)
}

func (q *queue) receive(ctx context.Context, wait, hide time.Duration) (out []map[string]string) {
	for end := time.Now().Add(wait); len(out) == 0 && time.Now().Before(end) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		q.mu.Lock()
		for handle, body := range q.bodies {
			if len(out) < 10 && time.Now().After(q.hidden[handle]) {
				q.hidden[handle] = time.Now().Add(hide)
				sum := md5.Sum([]byte(body))
				out = append(out, map[string]string{"MessageId": handle, "ReceiptHandle": handle, "Body": body, "MD5OfBody": hex.EncodeToString(sum[:])})
				q.received++
			}
		}
		q.mu.Unlock()
	}
	return out
}

func (q *queue) send(handle, body string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bodies[handle] = body
}

func (q *queue) left() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []string
	for h := range q.bodies {
		out = append(out, h)
	}
	slices.Sort(out)
	return out
}

func created(key, etag string) string {
	return fmt.Sprintf(`{"Records":[{"eventName":"ObjectCreated:Put","eventTime":"2026-01-02T03:04:05Z","s3":{"bucket":{"name":"logs"},"object":{"key":%q,"eTag":%q,"size":1}}}]}`, url.QueryEscape(key), etag)
}

// TestQueue hears of objects: told twice, in an envelope, of what is gone, and what is no
// notification; a message goes when what it told of is in the manifest, and not before.
func TestQueue(t *testing.T) {
	b := newBucket(t)
	w := newWorld(t)
	q := &queue{bodies: map[string]string{}, hidden: map[string]time.Time{}}
	q.deleting = func() {
		if st := w.totals("told"); st.Objects == 0 {
			t.Error("a message is deleted before its object is committed")
		}
	}
	srv := httptest.NewServer(q)
	t.Cleanup(srv.Close)
	etag := b.put("a b/auth.log", []byte(lines(0, 100)))
	q.send("1-first", created("a b/auth.log", etag))
	w.start(flow.IngestInput{Source: "told", Kind: flow.KindS3, S3: &schema.S3Source{Endpoint: b.url, PathStyle: true, Queue: srv.URL + "/1/told", QueueEndpoint: srv.URL}})
	w.reach("told", 100)
	inner, err := json.Marshal(map[string]string{"Type": "Notification", "Message": created("other.log", b.put("other.log", []byte(lines(0, 7))))})
	must(t, err)
	q.send("2-again", created("a b/auth.log", etag))
	q.send("3-envelope", string(inner))
	q.send("4-gone", created("deleted.log", "0123"))
	q.send("5-test", `{"Service":"Amazon S3","Event":"s3:TestEvent"}`)
	q.send("6-foreign", `{"hello":"world"}`)
	w.reach("told", 107)
	for end := time.Now().Add(20 * time.Second); len(q.left()) > 1 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
	}
	if left := q.left(); !slices.Equal(left, []string{"6-foreign"}) {
		t.Errorf("left in the queue: %v", left)
	}
	if p := w.proved("told", 107); p.Reread != 2 {
		t.Errorf("%+v", p)
	}
}
