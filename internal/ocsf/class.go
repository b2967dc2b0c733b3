// Package ocsf says which class of the Open Cybersecurity Schema Framework an event is of, and
// exports events as objects of their class. Both are pure functions of the event.
package ocsf

import (
	"slices"
	"strings"

	"vigil/schema"
)

// classRow is one row of the table that says which class of the Open Cybersecurity
// Schema Framework an event is of. Empty columns stand for anything; data set and action
// are beginnings. The first row that fits counts.
type classRow struct {
	dataset, category, action string
	uid                       int64
}

var classRows = []classRow{
	{"zeek.dns", "", "", 4003}, {"zeek.http", "", "", 4002}, {"zeek.ssh", "", "", 4007}, {"zeek.ftp", "", "", 4008}, {"zeek.dhcp", "", "", 4004}, {"zeek.rdp", "", "", 4005}, {"zeek.smb", "", "", 4006}, {"zeek.smtp", "", "", 4009}, {"zeek.ntp", "", "", 4013}, {"zeek.tunnel", "", "", 4014},
	{"zeek.notice", "", "", 2004}, {"zeek.intel", "", "", 2004}, {"zeek.kerberos", "", "", 3002}, {"zeek.ntlm", "", "", 3002}, {"zeek.files", "", "", 1001}, {"zeek.pe", "", "", 1001}, {"zeek.", "network", "", 4001},
	{"suricata.alert", "", "", 2004}, {"suricata.dns", "", "", 4003}, {"suricata.http", "", "", 4002}, {"suricata.ssh", "", "", 4007}, {"suricata.smb", "", "", 4006}, {"suricata.ftp", "", "", 4008}, {"suricata.dhcp", "", "", 4004}, {"suricata.rdp", "", "", 4005}, {"suricata.smtp", "", "", 4009}, {"suricata.fileinfo", "", "", 1001}, {"suricata.", "network", "", 4001},
	{"aws.cloudtrail", "", "ConsoleLogin", 3002}, {"aws.cloudtrail", "", "CredentialChallenge", 3002}, {"aws.cloudtrail", "", "UserAuthentication", 3002}, {"aws.cloudtrail", "iam", "CreateUser", 3001}, {"aws.cloudtrail", "iam", "DeleteUser", 3001}, {"aws.cloudtrail", "iam", "UpdateUser", 3001}, {"aws.cloudtrail", "iam", "AttachUserPolicy", 3001}, {"aws.cloudtrail", "iam", "DetachUserPolicy", 3001}, {"aws.cloudtrail", "iam", "ChangePassword", 3001}, {"aws.cloudtrail", "iam", "EnableMFADevice", 3001}, {"aws.cloudtrail", "iam", "DeactivateMFADevice", 3001}, {"aws.cloudtrail", "iam", "AddUserToGroup", 3006}, {"aws.cloudtrail", "iam", "RemoveUserFromGroup", 3006}, {"aws.cloudtrail", "", "", 6003},
	{"aws.guardduty", "", "", 2004}, {"aws.securityhub", "vulnerability", "", 2002}, {"aws.securityhub", "configuration", "", 2003}, {"aws.securityhub", "", "", 2004}, {"aws.route53", "", "", 4003}, {"aws.waf", "", "", 4002}, {"aws.elb", "", "", 4002}, {"aws.vpcflow", "", "", 4001},
	{"kubernetes.audit", "", "", 6003}, {"gcp.audit", "", "", 6003}, {"gcp.loadbalancer", "", "", 4002}, {"gcp.vpcflow", "", "", 4001},
	{"azure.signinlogs", "", "", 3002}, {"azure.auditlogs", "", "", 3004}, {"azure.activitylogs", "", "", 6003}, {"o365.messagetrace", "", "", 4009}, {"o365.audit", "authentication", "", 3002}, {"o365.audit", "", "", 6003}, {"google.workspace", "authentication", "", 3002}, {"google.workspace", "", "", 6003},
	{"github.audit", "", "team.add_member", 3006}, {"github.audit", "", "team.remove_member", 3006}, {"github.audit", "", "org.add_member", 3006}, {"github.audit", "", "org.remove_member", 3006}, {"github.audit", "", "git.", 6003}, {"github.audit", "", "org.", 3004}, {"github.audit", "", "repo.", 3004}, {"github.audit", "", "team.", 3004}, {"github.audit", "", "", 6003},
	{"okta.system", "", "user.session.", 3002}, {"okta.system", "", "user.authentication.", 3002}, {"okta.system", "", "user.lifecycle.", 3001}, {"okta.system", "", "user.account.", 3001}, {"okta.system", "", "user.mfa.", 3001}, {"okta.system", "", "group.user_membership.", 3006}, {"okta.system", "", "policy.evaluate", 3002}, {"okta.system", "", "policy.", 3004}, {"okta.system", "", "application.lifecycle.", 3004}, {"okta.system", "", "zone.", 3004}, {"okta.system", "", "", 6003},
	{"windows.", "", "group-member-", 3006}, {"windows.", "", "user-groups-enumerated", 6003}, {"windows.", "", "user-", 3001}, {"windows.", "", "password-", 3001}, {"windows.", "", "scheduled-task-", 1006}, {"windows.", "", "image-loaded", 1005}, {"windows.", "", "driver-loaded", 1002}, {"windows.", "", "share-", 4006}, {"windows.", "", "dns-query", 4003}, {"windows.", "", "registry-value-set", 201002}, {"windows.", "registry", "", 201001},
	{"linux.mail", "authentication", "", 3002}, {"linux.mail", "", "", 4009}, {"linux.", "iam", "group_member_added", 3006}, {"linux.", "session", "", 3002},
	{"", "intrusion_detection", "", 2004}, {"", "malware", "", 2004}, {"", "vulnerability", "", 2002}, {"", "authentication", "", 3002}, {"", "iam", "", 3001}, {"", "web", "", 4002}, {"", "email", "", 4009}, {"", "process", "", 1007}, {"", "file", "", 1001}, {"", "registry", "", 201001}, {"", "driver", "", 1002},
}

// ClassOf is the class of an event, 0 for an event that is of none.
func ClassOf(e *schema.Event) int64 { return new(Classifier).Of(e) }

// Classifier says the classes of many events: it finds the rows of a data set once. It is not
// safe for concurrent use.
type Classifier struct {
	rows map[string][]classRow // those that a data set may be of
}

// Of is the class of an event, 0 for an event that is of none.
func (c *Classifier) Of(e *schema.Event) int64 {
	categories, action := e.List(schema.FEventCategory), e.Str(schema.FEventAction)
	for _, row := range c.rowsOf(e.Str(schema.FEventDataset)) {
		if (row.category == "" || slices.Contains(categories, row.category)) && strings.HasPrefix(action, row.action) {
			return row.uid
		}
	}
	switch protocol := e.Str(schema.FNetworkProtocol); {
	case !slices.Contains(categories, "network"):
		return 0
	case protocol == "dns":
		return 4003
	case protocol == "http", protocol == "https":
		return 4002
	}
	return 4001
}

func (c *Classifier) rowsOf(set string) []classRow {
	if rows, ok := c.rows[set]; ok {
		return rows
	}
	var rows []classRow
	for _, row := range classRows {
		if strings.HasPrefix(set, row.dataset) {
			rows = append(rows, row)
		}
	}
	if c.rows == nil {
		c.rows = map[string][]classRow{}
	}
	if len(c.rows) < 200 { // a hostile log may make up data sets
		c.rows[strings.Clone(set)] = rows
	}
	return rows
}
