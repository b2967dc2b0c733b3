package parser

import (
	"strings"

	"vigil/schema"
)

// newAzure reads records of Azure Monitor and Microsoft Defender: activity, sign-in,
// audit, resource logs and advanced hunting tables.
func newAzure(o Options) Parser {
	f := field
	now := by(timeField(schema.FTimestamp, o.zone()))
	weak := by(func(e *schema.Event, v string) {
		if !e.Has(schema.FTimestamp) {
			timeField(schema.FTimestamp, o.zone())(e, v)
		}
	})
	t := table{
		"time": weak, "eventTimestamp": now, "Timestamp": now, "properties.Timestamp": now, "tenantId": f(schema.FCloudAccountID), "operationName": f(schema.FEventAction), "operationName.value": f(schema.FEventAction), "category": f(schema.FEventProvider), "category.value": f(schema.FEventProvider), "level": f(schema.FLogLevel), "Level": f(schema.FLogLevel),
		"resultType": by(azureResult), "resultSignature": skipped, "resultDescription": f(schema.FEventReason), "callerIpAddress": firstIP(schema.FSourceIP, schema.FSourcePort), "correlationId": skipped, "location": f(schema.FCloudRegion), "caller": f(schema.FUserName), "status.value": by(setOutcome), "durationMs": skipped,
		"identity.claim.upn": by(mailbox(true)), "identity.claim.ipaddr": firstIP(schema.FSourceIP, schema.FSourcePort), "identity.claims.ipaddr": firstIP(schema.FSourceIP, schema.FSourcePort), "claims.ipaddr": firstIP(schema.FSourceIP, schema.FSourcePort), "claims.name": f(schema.FUserFullName), "httpRequest.clientIpAddress": firstIP(schema.FSourceIP, schema.FSourcePort), "httpRequest.method": f(schema.FHttpRequestMethod),
		"properties.ipAddress": firstIP(schema.FSourceIP, schema.FSourcePort), "properties.userPrincipalName": by(mailbox(true)), "properties.userDisplayName": f(schema.FUserFullName), "properties.userId": f(schema.FUserID), "properties.appDisplayName": f(schema.FServiceName), "properties.userAgent": f(schema.FUserAgentOriginal), "properties.status.errorCode": f(schema.FErrorCode), "properties.status.failureReason": f(schema.FErrorMessage), "properties.location.countryOrRegion": f(schema.FSourceGeoCountryIsoCode), "properties.deviceDetail.displayName": f(schema.FHostName),
		"properties.httpStatusCode": f(schema.FHttpResponseStatusCode), "properties.requestUri": by(webAddress), "properties.clientInfo": f(schema.FUserAgentOriginal), "properties.clientIP": firstIP(schema.FSourceIP, schema.FSourcePort), "properties.clientIp": firstIP(schema.FSourceIP, schema.FSourcePort), "properties.clientPort": f(schema.FSourcePort), "properties.httpMethod": f(schema.FHttpRequestMethod), "properties.httpStatus": f(schema.FHttpResponseStatusCode), "properties.host": f(schema.FUrlDomain),
		"properties.initiatedBy.user.userPrincipalName": by(mailbox(true)), "properties.initiatedBy.user.ipAddress": firstIP(schema.FSourceIP, schema.FSourcePort), "properties.authorizationDecision": skipped, "properties.activityDisplayName": f(schema.FMessage), "properties.result": by(setOutcome),
	}
	var remote, local end
	for key, to := range defender(&remote, &local) {
		t["properties."+key] = to
		t[key] = to
	}
	p := newMapped("azure", "azure.monitor", t, func(e *schema.Event) { azureFinish(e, remote, local) })
	p.begin = func() { remote, local = end{}, end{} }
	return p
}

// end is an address and a port as they are written.
type end struct{ ip, port string }

// put sets the two fields.
func (d end) put(ip, port schema.FieldID, e *schema.Event) {
	if looksLikeIP(d.ip) && !e.Has(ip) {
		e.Set(ip, d.ip)
	}
	setPort(e, port, d.port)
}

// defender maps the columns of the advanced hunting tables.
func defender(remote, local *end) table {
	f := field
	keep := func(to *string) target { return by(func(_ *schema.Event, v string) { *to = v }) }
	return table{
		"ActionType": f(schema.FEventAction), "DeviceName": f(schema.FHostName), "DeviceId": f(schema.FHostID), "AccountName": first(schema.FUserName), "AccountDomain": f(schema.FUserDomain), "AccountSid": f(schema.FUserID), "AccountUpn": f(schema.FUserEmail), "AccountDisplayName": f(schema.FUserFullName),
		"InitiatingProcessAccountName": f(schema.FUserName), "InitiatingProcessAccountDomain": f(schema.FUserDomain), "InitiatingProcessAccountSid": f(schema.FUserID),
		"FileName": f(schema.FFileName), "FolderPath": f(schema.FFilePath), "FileSize": f(schema.FFileSize), "MD5": f(schema.FFileHashMd5), "SHA1": f(schema.FFileHashSha1), "SHA256": f(schema.FFileHashSha256),
		"ProcessId": first(schema.FProcessPid), "ProcessCommandLine": f(schema.FProcessCommandLine), "InitiatingProcessId": first(schema.FProcessPid), "InitiatingProcessFileName": f(schema.FProcessName), "InitiatingProcessFolderPath": f(schema.FProcessExecutable), "InitiatingProcessCommandLine": first(schema.FProcessCommandLine), "InitiatingProcessMD5": f(schema.FProcessHashMd5), "InitiatingProcessSHA1": f(schema.FProcessHashSha1), "InitiatingProcessSHA256": f(schema.FProcessHashSha256),
		"InitiatingProcessParentFileName": f(schema.FProcessParentName), "InitiatingProcessParentId": f(schema.FProcessParentPid), "RemoteIP": keep(&remote.ip), "RemotePort": keep(&remote.port), "LocalIP": keep(&local.ip), "LocalPort": keep(&local.port), "Protocol": by(setProto), "RemoteUrl": by(evidenceURL), "FileOriginUrl": by(webAddress), "Url": by(webAddress), "DeliveryAction": f(schema.FEventAction), "SenderIPv6": firstIP(schema.FSourceIP, schema.FSourcePort), "PublicIP": first(schema.FHostIP), "IPAddress": firstIP(schema.FSourceIP, schema.FSourcePort), "UserAgent": f(schema.FUserAgentOriginal),
		"RegistryKey": f(schema.FRegistryKey), "RegistryValueName": f(schema.FRegistryValue), "RegistryValueData": f(schema.FRegistryDataStrings), "AlertId": f(schema.FEventID), "Title": f(schema.FRuleName), "Severity": f(schema.FLogLevel), "LogonType": f(schema.FWinlogLogonType),
		"SenderIPv4": firstIP(schema.FSourceIP, schema.FSourcePort), "SenderFromAddress": f(schema.FEmailFromAddress), "RecipientEmailAddress": f(schema.FEmailToAddress), "Subject": f(schema.FEmailSubject), "InternetMessageId": f(schema.FEmailMessageID),
	}
}

// evidenceURL takes an address that the alert service writes as uri=….
func evidenceURL(e *schema.Event, v string) { webAddress(e, strings.TrimPrefix(v, "uri=")) }

// azureResult reads the words and the numbers of resultType; 0 is success in sign-ins.
func azureResult(e *schema.Event, v string) {
	switch {
	case v == "0":
		e.SetStr(schema.FEventOutcome, "success")
	case outcomeOf(v) != "":
		e.SetStr(schema.FEventOutcome, outcomeOf(v))
	default:
		if n, ok := digits(v); ok && n > 0 {
			e.SetStr(schema.FEventOutcome, "failure")
			e.SetStr(schema.FErrorCode, v)
			return
		}
		e.AddExtra("azure.monitor.resultType", v)
	}
}

func azureFinish(e *schema.Event, remote, local end) {
	e.SetStr(schema.FCloudProvider, "azure")
	set := e.Str(schema.FEventProvider)
	if table, ok := strings.CutPrefix(set, "AdvancedHunting-"); ok {
		setAll(e, pair{schema.FEventModule, "microsoft"}, pair{schema.FEventDataset, "microsoft.defender"})
		e.AddExtra("microsoft.defender.table", table)
		if strings.Contains(table, "Logon") || strings.HasPrefix(e.Str(schema.FEventAction), "Inbound") {
			remote, local = local, remote // what comes in has its source far away
		}
		local.put(schema.FSourceIP, schema.FSourcePort, e)
		remote.put(schema.FDestinationIP, schema.FDestinationPort, e)
		switch {
		case strings.Contains(table, "Network"):
			e.Add(schema.FEventCategory, "network")
		case strings.Contains(table, "Process"):
			e.Add(schema.FEventCategory, "process")
		case strings.Contains(table, "File"):
			e.Add(schema.FEventCategory, "file")
		case strings.Contains(table, "Registry"):
			e.Add(schema.FEventCategory, "registry")
		case strings.Contains(table, "Logon"):
			e.Add(schema.FEventCategory, "authentication")
			switch e.Str(schema.FEventAction) {
			case "LogonFailed":
				e.SetStr(schema.FEventOutcome, "failure")
			case "LogonSuccess":
				e.SetStr(schema.FEventOutcome, "success")
			}
		case strings.HasPrefix(table, "Email"):
			e.Add(schema.FEventCategory, "email")
		}
		if e.Str(schema.FEventAction) == "Publish" { // the verb of the export, not of the event
			e.SetStr(schema.FEventAction, table)
		}
		return
	}
	local.put(schema.FSourceIP, schema.FSourcePort, e)
	remote.put(schema.FDestinationIP, schema.FDestinationPort, e)
	if e.Int(schema.FHttpResponseStatusCode) >= 400 {
		e.SetStr(schema.FEventOutcome, "failure")
	}
	switch {
	case strings.Contains(set, "SignIn"):
		e.SetStr(schema.FEventDataset, "azure.signinlogs")
		e.Add(schema.FEventCategory, "authentication")
		e.Add(schema.FEventType, "start")
	case set == "AuditLogs":
		e.SetStr(schema.FEventDataset, "azure.auditlogs")
		e.Add(schema.FEventCategory, "iam")
	case set == "Administrative":
		e.SetStr(schema.FEventDataset, "azure.activitylogs")
		e.Add(schema.FEventCategory, "configuration")
	}
}

func detectAzure(sample []byte, _ string) (int, string) {
	switch {
	case hasKeys(sample, "time", "category", "operationName") || hasKeys(sample, "time", "category", "properties", "resourceId"):
		return 90, "JSON with time, category and operationName"
	case hasKeys(sample, "eventTimestamp", "operationName", "resourceId"):
		return 92, "JSON with eventTimestamp, operationName and resourceId"
	case hasKeys(sample, "Timestamp", "ActionType", "DeviceName"):
		return 90, "JSON with Timestamp, ActionType and DeviceName"
	}
	return 0, ""
}
