package main

import "github.com/spf13/cobra"

// commands is the table of subcommands.
func commands(a *app) []*cobra.Command {
	return []*cobra.Command{
		newUpCmd(a), newWorkerCmd(a), newServerCmd(a), newEngineCmd(a),
		newIngestCmd(a), newSourcesCmd(a), newExplainCmd(a), newProveCmd(a), newSearchCmd(a), newSearchesCmd(a), newDashboardsCmd(a), newReportsCmd(a), newHuntCmd(a),
		newRulesCmd(a), newExceptionsCmd(a), newAlertsCmd(a), newIncidentsCmd(a), newApprovalsCmd(a), newPlaybooksCmd(a), newKeysCmd(a),
		newIntelCmd(a), newTablesCmd(a), newAssetsCmd(a), newIdentitiesCmd(a), newModelsCmd(a), newPostureCmd(a), newSamplesCmd(a), newAuditCmd(a), newUsersCmd(a), newOrgsCmd(a),
		newLoginCmd(a), newEnvCmd(a), newDoctorCmd(a), newBenchCmd(a), newVersionCmd(a),
	}
}
