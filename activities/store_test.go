package activities

import (
	"go.temporal.io/sdk/client"

	"vigil/internal/store"
)

// The store and the Temporal client are what the capabilities ask for.
var (
	_ AlertStore    = (*store.Store)(nil)
	_ RunStore      = (*store.Store)(nil)
	_ IncidentStore = (*store.Store)(nil)
	_ ApprovalStore = (*store.Store)(nil)
	_ ActionStore   = (*store.Store)(nil)
	_ AdminStore    = (*store.Store)(nil)
	_ HeadStore     = (*store.Store)(nil)
	_ ModelStore    = (*store.Store)(nil)
	_ ChampionStore = (*store.Store)(nil)
	_ TableStore    = (*store.Store)(nil)
	_ Scoring       = (*LiveModels)(nil)
	_ Starter       = client.Client(nil)
	_ Results       = client.Client(nil)
	_ Operator      = client.Client(nil)
)
