package activities

import (
	"encoding/json"
	"time"

	"vigil/schema"
)

// note makes a message for the live outbox. Its data is small and for display only.
func note(org, topic, kind, id string, data any, now time.Time) schema.Note {
	b, err := json.Marshal(data)
	if err != nil {
		b = []byte("{}")
	}
	return schema.Note{Org: org, Topic: topic, Kind: kind, ID: id, Data: string(b), Time: now.UTC()}
}
