package objects

import (
	"slices"
	"testing"
	"time"
)

func TestNotified(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	event := `{"Records":[{"eventName":"ObjectCreated:Put","eventTime":"2026-01-02T03:04:05Z","s3":{"bucket":{"name":"b"},"object":{"key":"a+b%2Fc%21.gz","eTag":"e1","size":7}}},
		{"eventName":"ObjectRemoved:Delete","s3":{"bucket":{"name":"b"},"object":{"key":"gone"}}}]}`
	one := []Object{{"b", "a b/c!.gz", "e1", 7, at}}
	for body, want := range map[string][]Object{
		event: one,
		`{"detail-type":"Object Created","time":"2026-01-02T03:04:05Z","detail":{"bucket":{"name":"b"},"object":{"key":"a b/c!.gz","etag":"e1","size":7}}}`: one,
		`{"detail-type":"Object Deleted","detail":{"bucket":{"name":"b"},"object":{"key":"x"}}}`:                                                            nil,
		`{"Service":"Amazon S3","Event":"s3:TestEvent"}`:                                                                                                    nil,
	} {
		if got, err := notified(body, 3); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s:\n%+v (%v)", body, got, err)
		}
	}
	for _, body := range []string{"", "text", "{}", "[]", `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"object":{"key":"%zz"}}}]}`, `{"Type":"Notification","Message":"{}"}`} {
		if got, err := notified(body, 3); err == nil {
			t.Errorf("%q: %+v", body, got)
		}
	}
}

func FuzzNotified(f *testing.F) {
	f.Add(`{"Type":"Notification","Message":"{\"Records\":[]}"}`)
	f.Add(`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"%20"}}}]}`)
	f.Fuzz(func(_ *testing.T, body string) { _, _ = notified(body, 3) })
}

func TestSafe(t *testing.T) {
	for key, want := range map[string]string{"a.log.gz": "a.log.gz", "a!b*c": "a_b_c", "x/y": "x_y"} {
		if got := safe(key); got != want {
			t.Errorf("%q: %q", key, got)
		}
	}
}
