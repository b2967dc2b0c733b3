package ocsf

import "vigil/schema"

// row says where a field goes.
type row struct {
	path  string
	field schema.FieldID
	as    as
}

// section is the rows of one object.
type section struct {
	at   string // path of the object, "" for the event itself
	kind string // of kinds
	rows []row
}

// kind is what an object needs to be one.
type kind struct {
	oneOf    []string       // one of these is there
	all      []string       // and all of these
	defaults map[string]any // set where the object is there without them
}

// kinds are the schema's objects that require something.
var kinds = map[string]kind{
	"endpoint":   {oneOf: []string{"ip", "hostname", "name", "uid", "domain", "instance_uid", "interface_name"}},
	"device":     {oneOf: []string{"ip", "hostname", "name", "uid"}, defaults: map[string]any{"type_id": int64(0)}},
	"user":       {oneOf: []string{"name", "uid", "account"}},
	"entity":     {oneOf: []string{"name", "uid"}},
	"process":    {oneOf: []string{"pid", "uid"}},
	"actor":      {oneOf: []string{"user", "process", "session", "app_name"}},
	"file":       {all: []string{"name"}, defaults: map[string]any{"type_id": int64(0)}},
	"connection": {defaults: map[string]any{"direction_id": int64(0)}},
	"tls":        {all: []string{"version"}},
	"cloud":      {all: []string{"provider"}},
	"url":        {oneOf: []string{"url_string", "path"}},
	"response":   {all: []string{"code"}},
	"query":      {all: []string{"hostname"}},
	"location":   {oneOf: []string{"city", "country"}},
	"as":         {oneOf: []string{"number", "name"}},
	"key":        {all: []string{"path"}},
	"value":      {all: []string{"name", "path"}},
	"api":        {all: []string{"operation"}},
	"email":      {oneOf: []string{"from", "to"}},
	"finding":    {all: []string{"uid"}},
	"analytic":   {oneOf: []string{"name", "uid"}, defaults: map[string]any{"type_id": int64(1), "type": "Rule"}},
	"os":         {all: []string{"name", "type_id"}},
	"job":        {oneOf: []string{"name", "type_id"}},
}

// endpointOf is one end of a connection.
func endpointOf(at string, ip, portOf, domain, written, hardware, country, city, asn, organization schema.FieldID) []section {
	return []section{
		{at + ".location", "location", []row{{"country", country, text}, {"city", city, text}}},
		{at + ".autonomous_system", "as", []row{{"number", asn, number}, {"name", organization, text}}},
		{at, "endpoint", []row{{"ip", ip, address}, {"port", portOf, port}, {"domain", domain, text}, {"hostname", written, text}, {"mac", hardware, mac}}},
	}
}

var (
	from = endpointOf("src_endpoint", schema.FSourceIP, schema.FSourcePort, schema.FSourceDomain, schema.FSourceAddress, schema.FSourceMac,
		schema.FSourceGeoCountryIsoCode, schema.FSourceGeoCityName, schema.FSourceAsNumber, schema.FSourceAsOrganizationName)
	to = endpointOf("dst_endpoint", schema.FDestinationIP, schema.FDestinationPort, schema.FDestinationDomain, schema.FDestinationAddress, schema.FDestinationMac,
		schema.FDestinationGeoCountryIsoCode, schema.FDestinationGeoCityName, schema.FDestinationAsNumber, schema.FDestinationAsOrganizationName)
	connection = section{"connection_info", "connection", []row{{"protocol_name", schema.FNetworkTransport, text}, {"community_uid", schema.FNetworkCommunityID, text}, {"uid", schema.FEventID, text}}}
	traffic    = section{"traffic", "", []row{{"bytes", schema.FNetworkBytes, positive}, {"packets", schema.FNetworkPackets, positive}, {"bytes_out", schema.FSourceBytes, positive}, {"bytes_in", schema.FDestinationBytes, positive},
		{"packets_out", schema.FSourcePackets, positive}, {"packets_in", schema.FDestinationPackets, positive}}}
	tls = section{"tls", "tls", []row{{"version", schema.FTlsVersion, text}, {"cipher", schema.FTlsCipher, text}, {"sni", schema.FTlsClientServerName, text}}}
	app = section{"", "", []row{{"app_protocol_name", schema.FNetworkProtocol, text}, {"start_time", schema.FEventStart, millis}, {"end_time", schema.FEventEnd, millis}}}

	query = section{"query", "query", []row{{"hostname", schema.FDnsQuestionName, text}, {"type", schema.FDnsQuestionType, text}, {"class", schema.FDnsQuestionClass, text}}}
	reply = section{"", "", []row{{"rcode", schema.FDnsResponseCode, text}, {"answers", schema.FDnsAnswersData, answers}}}

	requestURL = section{"http_request.url", "url", []row{{"url_string", schema.FUrlFull, text}, {"url_string", schema.FUrlOriginal, text}, {"path", schema.FUrlPath, text}, {"hostname", schema.FUrlDomain, text},
		{"query_string", schema.FUrlQuery, text}, {"scheme", schema.FUrlScheme, text}, {"port", schema.FUrlPort, port}, {"subdomain", schema.FUrlSubdomain, text}}}
	request = section{"http_request", "", []row{{"http_method", schema.FHttpRequestMethod, text}, {"user_agent", schema.FUserAgentOriginal, text}, {"referrer", schema.FHttpRequestReferrer, text},
		{"body_length", schema.FHttpRequestBodyBytes, positive}, {"version", schema.FHttpVersion, text}}}
	response = section{"http_response", "response", []row{{"code", schema.FHttpResponseStatusCode, number}, {"body_length", schema.FHttpResponseBodyBytes, positive}, {"content_type", schema.FHttpResponseMimeType, text}}}

	process = section{"process", "process", []row{{"pid", schema.FProcessPid, number}, {"uid", schema.FProcessEntityID, text}, {"name", schema.FProcessName, text}, {"cmd_line", schema.FProcessCommandLine, text},
		{"path", schema.FProcessExecutable, text}, {"working_directory", schema.FProcessWorkingDirectory, text}, {"integrity", schema.FProcessIntegrityLevel, text}}}
	parent = section{"process.parent_process", "process", []row{{"pid", schema.FProcessParentPid, number}, {"uid", schema.FProcessParentEntityID, text}, {"name", schema.FProcessParentName, text},
		{"cmd_line", schema.FProcessParentCommandLine, text}, {"path", schema.FProcessParentExecutable, text}}}
	target = section{"process", "process", []row{{"pid", schema.FProcessTargetPid, number}, {"uid", schema.FProcessTargetEntityID, text}, {"path", schema.FProcessTargetExecutable, text}}}
	acting = section{"actor.process", "process", process.rows}
	file   = section{"file", "file", []row{{"name", schema.FFileName, text}, {"path", schema.FFilePath, text}, {"parent_folder", schema.FFileDirectory, text}, {"ext", schema.FFileExtension, text}, {"size", schema.FFileSize, positive},
		{"mime_type", schema.FFileMimeType, text}}}
	library = section{"module.file", "file", []row{{"name", schema.FDllName, text}, {"path", schema.FDllPath, text}}}
	driver  = section{"driver.file", "file", append([]row{{"name", schema.FDllName, text}, {"path", schema.FDllPath, text}}, file.rows...)}
	regKey  = section{"reg_key", "key", []row{{"path", schema.FRegistryPath, text}, {"path", schema.FRegistryKey, text}}}
	regVal  = section{"reg_value", "value", []row{{"name", schema.FRegistryValue, text}, {"path", schema.FRegistryPath, text}, {"path", schema.FRegistryKey, text}, {"type", schema.FRegistryDataType, text}, {"data", schema.FRegistryDataStrings, text}}}

	userRows   = []row{{"name", schema.FUserName, text}, {"uid", schema.FUserID, text}, {"domain", schema.FUserDomain, text}, {"email_addr", schema.FUserEmail, email}, {"full_name", schema.FUserFullName, text}}
	targetRows = []row{{"name", schema.FUserTargetName, text}, {"uid", schema.FUserTargetID, text}, {"domain", schema.FUserTargetDomain, text}}
	targetUser = section{"user", "user", targetRows}
	user       = section{"user", "user", userRows}
	actorUser  = section{"actor.user", "user", userRows}
	group      = section{"group", "entity", []row{{"name", schema.FGroupName, text}, {"uid", schema.FGroupID, text}}}
	service    = section{"service", "entity", []row{{"name", schema.FServiceName, text}, {"name", schema.FCloudServiceName, text}, {"name", schema.FEventProvider, text}, {"name", schema.FProcessName, text}}}
	session    = section{"session", "", []row{{"uid", schema.FSessionID, text}, {"uid", schema.FWinlogLogonID, text}}}
	apiService = section{"api.service", "entity", []row{{"name", schema.FCloudServiceName, text}, {"name", schema.FEventProvider, text}}}
	apiReply   = section{"api.response", "", []row{{"error", schema.FErrorCode, text}, {"error_message", schema.FErrorMessage, text}}}
	api        = section{"api", "api", []row{{"operation", schema.FEventAction, text}}}
	entityUser = section{"entity", "entity", []row{{"name", schema.FUserTargetName, text}, {"uid", schema.FUserTargetID, text}, {"name", schema.FGroupName, text}, {"uid", schema.FGroupID, text}, {"name", schema.FServiceName, text}, {"name", schema.FRuleName, text}}}
	mailbox    = section{"email", "email", []row{{"from", schema.FEmailFromAddress, email}, {"to", schema.FEmailToAddress, emails}, {"subject", schema.FEmailSubject, text}, {"message_uid", schema.FEmailMessageID, text}}}
	analytic   = section{"finding_info.analytic", "analytic", []row{{"name", schema.FRuleName, text}, {"uid", schema.FRuleID, text}, {"category", schema.FRuleCategory, text}, {"uid", schema.FEventCode, text}}}
	job        = section{"job", "job", []row{{"name", schema.FServiceName, text}, {"cmd_line", schema.FProcessCommandLine, text}}}
)

// common are the sections that every class has; they come last, so that a class's own rows
// take a field first.
var common = []section{
	{"metadata", "", []row{{"event_code", schema.FEventCode, text}, {"log_name", schema.FWinlogChannel, text}, {"log_provider", schema.FEventProvider, text}, {"original_event_uid", schema.FEventID, text},
		{"sequence", schema.FEventSequence, positive}, {"logged_time", schema.FEventCreated, millis}, {"log_level", schema.FLogLevel, text}, {"type", schema.FEventDataset, text}, {"labels", schema.FTags, texts}}},
	{"device", "device", []row{{"hostname", schema.FHostName, text}, {"name", schema.FHostHostname, text}, {"ip", schema.FHostIP, address}, {"uid", schema.FHostID, text}, {"mac", schema.FHostMac, mac}}},
	actorUser,
	{"actor", "actor", nil},
	{"cloud.account", "entity", []row{{"uid", schema.FCloudAccountID, text}}},
	{"cloud", "cloud", []row{{"provider", schema.FCloudProvider, text}, {"region", schema.FCloudRegion, text}}},
	{"", "", []row{{"status_detail", schema.FEventReason, text}, {"status_code", schema.FErrorCode, text}, {"duration", schema.FEventDuration, millis}}},
}
