package schema

import "time"

// SavedKind says what a saved document is.
type SavedKind string

// The kinds of saved document.
const (
	SavedSearch    SavedKind = "search"    // Doc is the query, with Range and Columns
	SavedDashboard SavedKind = "dashboard" // Doc is the dashboard's YAML
)

// Saved is a search or a dashboard that a person keeps. One that is not shared is its
// owner's alone; only the owner and admins change it.
type Saved struct {
	Org     string    `json:"org"`
	Kind    SavedKind `json:"kind"`
	ID      string    `json:"id"`
	Title   string    `json:"title"`
	Owner   string    `json:"owner"`
	Shared  bool      `json:"shared"`
	Doc     string    `json:"doc"`
	Range   string    `json:"range,omitempty"`   // of a search, as in the address: 24h, all, or two times
	Columns []string  `json:"columns,omitempty"` // of a search
	Updated time.Time `json:"updated"`
	Deleted bool      `json:"deleted,omitempty"`
	Version uint64    `json:"version"`
}
