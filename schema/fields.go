package schema

// The promoted fields. The table below is the source of the event columns, the CEL
// declarations and docs/reference/fields.md; tests hold them equal.
const (
	// FTimestamp is timestamp.
	FTimestamp FieldID = iota
	// FMessage is message.
	FMessage
	// FEventKind is event.kind.
	FEventKind
	// FEventCategory is event.category.
	FEventCategory
	// FEventType is event.type.
	FEventType
	// FEventAction is event.action.
	FEventAction
	// FEventOutcome is event.outcome.
	FEventOutcome
	// FEventCode is event.code.
	FEventCode
	// FEventModule is event.module.
	FEventModule
	// FEventDataset is event.dataset.
	FEventDataset
	// FEventProvider is event.provider.
	FEventProvider
	// FEventSeverity is event.severity.
	FEventSeverity
	// FEventReason is event.reason.
	FEventReason
	// FEventID is event.id.
	FEventID
	// FEventDuration is event.duration.
	FEventDuration
	// FEventStart is event.start.
	FEventStart
	// FEventEnd is event.end.
	FEventEnd
	// FEventCreated is event.created.
	FEventCreated
	// FEventSequence is event.sequence.
	FEventSequence
	// FOcsfClassUid is ocsf.class_uid.
	FOcsfClassUid
	// FLogLevel is log.level.
	FLogLevel
	// FLogFilePath is log.file.path.
	FLogFilePath
	// FLogSyslogFacilityName is log.syslog.facility.name.
	FLogSyslogFacilityName
	// FLogSyslogSeverityName is log.syslog.severity.name.
	FLogSyslogSeverityName
	// FObserverName is observer.name.
	FObserverName
	// FObserverType is observer.type.
	FObserverType
	// FObserverIP is observer.ip.
	FObserverIP
	// FObserverIngressInterfaceName is observer.ingress.interface.name.
	FObserverIngressInterfaceName
	// FHostName is host.name.
	FHostName
	// FHostHostname is host.hostname.
	FHostHostname
	// FHostIP is host.ip.
	FHostIP
	// FHostMac is host.mac.
	FHostMac
	// FHostOsFamily is host.os.family.
	FHostOsFamily
	// FHostOsName is host.os.name.
	FHostOsName
	// FHostID is host.id.
	FHostID
	// FSourceIP is source.ip.
	FSourceIP
	// FSourcePort is source.port.
	FSourcePort
	// FSourceAddress is source.address.
	FSourceAddress
	// FSourceDomain is source.domain.
	FSourceDomain
	// FSourceBytes is source.bytes.
	FSourceBytes
	// FSourcePackets is source.packets.
	FSourcePackets
	// FSourceMac is source.mac.
	FSourceMac
	// FSourceUserName is source.user.name.
	FSourceUserName
	// FSourceGeoCountryIsoCode is source.geo.country_iso_code.
	FSourceGeoCountryIsoCode
	// FSourceAsNumber is source.as.number.
	FSourceAsNumber
	// FSourceNatIP is source.nat.ip.
	FSourceNatIP
	// FDestinationIP is destination.ip.
	FDestinationIP
	// FDestinationPort is destination.port.
	FDestinationPort
	// FDestinationAddress is destination.address.
	FDestinationAddress
	// FDestinationDomain is destination.domain.
	FDestinationDomain
	// FDestinationBytes is destination.bytes.
	FDestinationBytes
	// FDestinationPackets is destination.packets.
	FDestinationPackets
	// FDestinationMac is destination.mac.
	FDestinationMac
	// FDestinationUserName is destination.user.name.
	FDestinationUserName
	// FDestinationGeoCountryIsoCode is destination.geo.country_iso_code.
	FDestinationGeoCountryIsoCode
	// FDestinationAsNumber is destination.as.number.
	FDestinationAsNumber
	// FClientIP is client.ip.
	FClientIP
	// FServerIP is server.ip.
	FServerIP
	// FNetworkProtocol is network.protocol.
	FNetworkProtocol
	// FNetworkTransport is network.transport.
	FNetworkTransport
	// FNetworkType is network.type.
	FNetworkType
	// FNetworkDirection is network.direction.
	FNetworkDirection
	// FNetworkBytes is network.bytes.
	FNetworkBytes
	// FNetworkPackets is network.packets.
	FNetworkPackets
	// FNetworkCommunityID is network.community_id.
	FNetworkCommunityID
	// FNetworkName is network.name.
	FNetworkName
	// FNetworkVlanID is network.vlan.id.
	FNetworkVlanID
	// FUserName is user.name.
	FUserName
	// FUserID is user.id.
	FUserID
	// FUserDomain is user.domain.
	FUserDomain
	// FUserEmail is user.email.
	FUserEmail
	// FUserFullName is user.full_name.
	FUserFullName
	// FUserRoles is user.roles.
	FUserRoles
	// FUserTargetName is user.target.name.
	FUserTargetName
	// FUserTargetID is user.target.id.
	FUserTargetID
	// FUserTargetDomain is user.target.domain.
	FUserTargetDomain
	// FUserEffectiveName is user.effective.name.
	FUserEffectiveName
	// FUserEffectiveID is user.effective.id.
	FUserEffectiveID
	// FGroupName is group.name.
	FGroupName
	// FGroupID is group.id.
	FGroupID
	// FRelatedIP is related.ip.
	FRelatedIP
	// FRelatedUser is related.user.
	FRelatedUser
	// FRelatedHash is related.hash.
	FRelatedHash
	// FRelatedHosts is related.hosts.
	FRelatedHosts
	// FProcessName is process.name.
	FProcessName
	// FProcessExecutable is process.executable.
	FProcessExecutable
	// FProcessCommandLine is process.command_line.
	FProcessCommandLine
	// FProcessArgs is process.args.
	FProcessArgs
	// FProcessPid is process.pid.
	FProcessPid
	// FProcessEntityID is process.entity_id.
	FProcessEntityID
	// FProcessWorkingDirectory is process.working_directory.
	FProcessWorkingDirectory
	// FProcessTitle is process.title.
	FProcessTitle
	// FProcessExitCode is process.exit_code.
	FProcessExitCode
	// FProcessHashMd5 is process.hash.md5.
	FProcessHashMd5
	// FProcessHashSha1 is process.hash.sha1.
	FProcessHashSha1
	// FProcessHashSha256 is process.hash.sha256.
	FProcessHashSha256
	// FProcessPeOriginalFileName is process.pe.original_file_name.
	FProcessPeOriginalFileName
	// FProcessPeImphash is process.pe.imphash.
	FProcessPeImphash
	// FProcessPeCompany is process.pe.company.
	FProcessPeCompany
	// FProcessPeDescription is process.pe.description.
	FProcessPeDescription
	// FProcessPeProduct is process.pe.product.
	FProcessPeProduct
	// FProcessPeFileVersion is process.pe.file_version.
	FProcessPeFileVersion
	// FProcessIntegrityLevel is process.integrity_level.
	FProcessIntegrityLevel
	// FProcessParentName is process.parent.name.
	FProcessParentName
	// FProcessParentExecutable is process.parent.executable.
	FProcessParentExecutable
	// FProcessParentCommandLine is process.parent.command_line.
	FProcessParentCommandLine
	// FProcessParentPid is process.parent.pid.
	FProcessParentPid
	// FProcessParentEntityID is process.parent.entity_id.
	FProcessParentEntityID
	// FProcessParentUserName is process.parent.user.name.
	FProcessParentUserName
	// FProcessTargetExecutable is process.target.executable.
	FProcessTargetExecutable
	// FProcessTargetPid is process.target.pid.
	FProcessTargetPid
	// FProcessTargetEntityID is process.target.entity_id.
	FProcessTargetEntityID
	// FFileName is file.name.
	FFileName
	// FFilePath is file.path.
	FFilePath
	// FFileDirectory is file.directory.
	FFileDirectory
	// FFileExtension is file.extension.
	FFileExtension
	// FFileSize is file.size.
	FFileSize
	// FFileType is file.type.
	FFileType
	// FFileMimeType is file.mime_type.
	FFileMimeType
	// FFileOwner is file.owner.
	FFileOwner
	// FFileHashMd5 is file.hash.md5.
	FFileHashMd5
	// FFileHashSha1 is file.hash.sha1.
	FFileHashSha1
	// FFileHashSha256 is file.hash.sha256.
	FFileHashSha256
	// FFileCodeSignatureStatus is file.code_signature.status.
	FFileCodeSignatureStatus
	// FFileCodeSignatureSubjectName is file.code_signature.subject_name.
	FFileCodeSignatureSubjectName
	// FFileCodeSignatureSigned is file.code_signature.signed.
	FFileCodeSignatureSigned
	// FDllName is dll.name.
	FDllName
	// FDllPath is dll.path.
	FDllPath
	// FRegistryPath is registry.path.
	FRegistryPath
	// FRegistryKey is registry.key.
	FRegistryKey
	// FRegistryHive is registry.hive.
	FRegistryHive
	// FRegistryValue is registry.value.
	FRegistryValue
	// FRegistryDataStrings is registry.data.strings.
	FRegistryDataStrings
	// FRegistryDataType is registry.data.type.
	FRegistryDataType
	// FDnsQuestionName is dns.question.name.
	FDnsQuestionName
	// FDnsQuestionType is dns.question.type.
	FDnsQuestionType
	// FDnsQuestionClass is dns.question.class.
	FDnsQuestionClass
	// FDnsQuestionRegisteredDomain is dns.question.registered_domain.
	FDnsQuestionRegisteredDomain
	// FDnsResponseCode is dns.response_code.
	FDnsResponseCode
	// FDnsAnswersData is dns.answers.data.
	FDnsAnswersData
	// FDnsResolvedIP is dns.resolved_ip.
	FDnsResolvedIP
	// FDnsID is dns.id.
	FDnsID
	// FUrlOriginal is url.original.
	FUrlOriginal
	// FUrlFull is url.full.
	FUrlFull
	// FUrlDomain is url.domain.
	FUrlDomain
	// FUrlPath is url.path.
	FUrlPath
	// FUrlQuery is url.query.
	FUrlQuery
	// FUrlScheme is url.scheme.
	FUrlScheme
	// FUrlPort is url.port.
	FUrlPort
	// FHttpRequestMethod is http.request.method.
	FHttpRequestMethod
	// FHttpRequestReferrer is http.request.referrer.
	FHttpRequestReferrer
	// FHttpRequestBodyBytes is http.request.body.bytes.
	FHttpRequestBodyBytes
	// FHttpRequestMimeType is http.request.mime_type.
	FHttpRequestMimeType
	// FHttpResponseStatusCode is http.response.status_code.
	FHttpResponseStatusCode
	// FHttpResponseBodyBytes is http.response.body.bytes.
	FHttpResponseBodyBytes
	// FHttpResponseMimeType is http.response.mime_type.
	FHttpResponseMimeType
	// FHttpVersion is http.version.
	FHttpVersion
	// FUserAgentOriginal is user_agent.original.
	FUserAgentOriginal
	// FUserAgentName is user_agent.name.
	FUserAgentName
	// FTlsVersion is tls.version.
	FTlsVersion
	// FTlsCipher is tls.cipher.
	FTlsCipher
	// FTlsEstablished is tls.established.
	FTlsEstablished
	// FTlsResumed is tls.resumed.
	FTlsResumed
	// FTlsCurve is tls.curve.
	FTlsCurve
	// FTlsClientJa3 is tls.client.ja3.
	FTlsClientJa3
	// FTlsServerJa3s is tls.server.ja3s.
	FTlsServerJa3s
	// FTlsClientServerName is tls.client.server_name.
	FTlsClientServerName
	// FTlsServerSubject is tls.server.subject.
	FTlsServerSubject
	// FTlsServerIssuer is tls.server.issuer.
	FTlsServerIssuer
	// FTlsServerHashSha1 is tls.server.hash.sha1.
	FTlsServerHashSha1
	// FTlsNextProtocol is tls.next_protocol.
	FTlsNextProtocol
	// FX509SubjectCommonName is x509.subject.common_name.
	FX509SubjectCommonName
	// FX509IssuerCommonName is x509.issuer.common_name.
	FX509IssuerCommonName
	// FX509SerialNumber is x509.serial_number.
	FX509SerialNumber
	// FX509NotBefore is x509.not_before.
	FX509NotBefore
	// FX509NotAfter is x509.not_after.
	FX509NotAfter
	// FEmailFromAddress is email.from.address.
	FEmailFromAddress
	// FEmailToAddress is email.to.address.
	FEmailToAddress
	// FEmailSubject is email.subject.
	FEmailSubject
	// FEmailMessageID is email.message_id.
	FEmailMessageID
	// FServiceName is service.name.
	FServiceName
	// FServiceType is service.type.
	FServiceType
	// FServiceState is service.state.
	FServiceState
	// FRuleID is rule.id.
	FRuleID
	// FRuleName is rule.name.
	FRuleName
	// FRuleCategory is rule.category.
	FRuleCategory
	// FRuleRuleset is rule.ruleset.
	FRuleRuleset
	// FCloudProvider is cloud.provider.
	FCloudProvider
	// FCloudAccountID is cloud.account.id.
	FCloudAccountID
	// FCloudRegion is cloud.region.
	FCloudRegion
	// FCloudServiceName is cloud.service.name.
	FCloudServiceName
	// FCloudInstanceID is cloud.instance.id.
	FCloudInstanceID
	// FErrorCode is error.code.
	FErrorCode
	// FErrorMessage is error.message.
	FErrorMessage
	// FSessionID is session.id.
	FSessionID
	// FThreatIndicatorValue is threat.indicator.value.
	FThreatIndicatorValue
	// FThreatIndicatorFeed is threat.indicator.feed.
	FThreatIndicatorFeed
	// FWinlogChannel is winlog.channel.
	FWinlogChannel
	// FWinlogComputerName is winlog.computer_name.
	FWinlogComputerName
	// FWinlogEventID is winlog.event_id.
	FWinlogEventID
	// FWinlogProviderName is winlog.provider_name.
	FWinlogProviderName
	// FWinlogRecordID is winlog.record_id.
	FWinlogRecordID
	// FWinlogTask is winlog.task.
	FWinlogTask
	// FWinlogOpcode is winlog.opcode.
	FWinlogOpcode
	// FWinlogKeywords is winlog.keywords.
	FWinlogKeywords
	// FWinlogLogonType is winlog.logon.type.
	FWinlogLogonType
	// FWinlogLogonID is winlog.logon.id.
	FWinlogLogonID
	// FWinlogProcessPid is winlog.process.pid.
	FWinlogProcessPid
	// FWinlogProcessThreadID is winlog.process.thread.id.
	FWinlogProcessThreadID
	// FPipeName is pipe.name.
	FPipeName
	// FTags is tags.
	FTags
	// FSourceGeoCityName is source.geo.city_name.
	FSourceGeoCityName
	// FSourceAsOrganizationName is source.as.organization.name.
	FSourceAsOrganizationName
	// FDestinationGeoCityName is destination.geo.city_name.
	FDestinationGeoCityName
	// FDestinationAsOrganizationName is destination.as.organization.name.
	FDestinationAsOrganizationName
	// FHostAssetName is host.asset.name.
	FHostAssetName
	// FHostAssetCriticality is host.asset.criticality.
	FHostAssetCriticality
	// FHostAssetOwner is host.asset.owner.
	FHostAssetOwner
	// FHostAssetDepartment is host.asset.department.
	FHostAssetDepartment
	// FHostAssetTags is host.asset.tags.
	FHostAssetTags
	// FSourceAssetName is source.asset.name.
	FSourceAssetName
	// FSourceAssetCriticality is source.asset.criticality.
	FSourceAssetCriticality
	// FSourceAssetOwner is source.asset.owner.
	FSourceAssetOwner
	// FSourceAssetTags is source.asset.tags.
	FSourceAssetTags
	// FDestinationAssetName is destination.asset.name.
	FDestinationAssetName
	// FDestinationAssetCriticality is destination.asset.criticality.
	FDestinationAssetCriticality
	// FDestinationAssetOwner is destination.asset.owner.
	FDestinationAssetOwner
	// FDestinationAssetTags is destination.asset.tags.
	FDestinationAssetTags
	// FUserIdentityName is user.identity.name.
	FUserIdentityName
	// FUserIdentityCriticality is user.identity.criticality.
	FUserIdentityCriticality
	// FUserIdentityDepartment is user.identity.department.
	FUserIdentityDepartment
	// FUserIdentityPrivileged is user.identity.privileged.
	FUserIdentityPrivileged
	// FUserIdentityTags is user.identity.tags.
	FUserIdentityTags
	// FUserTargetIdentityName is user.target.identity.name.
	FUserTargetIdentityName
	// FUserTargetIdentityCriticality is user.target.identity.criticality.
	FUserTargetIdentityCriticality
	// FUserTargetIdentityPrivileged is user.target.identity.privileged.
	FUserTargetIdentityPrivileged
	// FProcessKnownName is process.known.name.
	FProcessKnownName
	// FProcessKnownOwner is process.known.owner.
	FProcessKnownOwner
	// FProcessKnownStatus is process.known.status.
	FProcessKnownStatus
	// FFileKnownName is file.known.name.
	FFileKnownName
	// FFileKnownOwner is file.known.owner.
	FFileKnownOwner
	// FFileKnownStatus is file.known.status.
	FFileKnownStatus
	// FDnsQuestionSubdomain is dns.question.subdomain.
	FDnsQuestionSubdomain
	// FDnsQuestionTopLevelDomain is dns.question.top_level_domain.
	FDnsQuestionTopLevelDomain
	// FUrlRegisteredDomain is url.registered_domain.
	FUrlRegisteredDomain
	// FUrlSubdomain is url.subdomain.
	FUrlSubdomain
	// FUrlTopLevelDomain is url.top_level_domain.
	FUrlTopLevelDomain
	// FUserAgentVersion is user_agent.version.
	FUserAgentVersion
	// FUserAgentOsName is user_agent.os.name.
	FUserAgentOsName
	// FUserAgentDeviceName is user_agent.device.name.
	FUserAgentDeviceName
	// NumFields is how many fields are promoted.
	NumFields
)

var fieldTable = [NumFields]Field{
	FTimestamp:                     {ID: FTimestamp, Name: "timestamp", Column: "timestamp", Kind: Date, Doc: "When the event happened, from the record itself; the ingest time when the record carries none."},
	FMessage:                       {ID: FMessage, Name: "message", Column: "message", Kind: Text, Doc: "The human-readable text of the record."},
	FEventKind:                     {ID: FEventKind, Name: "event.kind", Column: "event_kind", Kind: LowCard, Doc: "event, alert, metric, state or pipeline_error (ECS event.kind)."},
	FEventCategory:                 {ID: FEventCategory, Name: "event.category", Column: "event_category", Kind: LowCard, Multi: true, Doc: "ECS category: authentication, process, network, file, dns, web, iam or configuration."},
	FEventType:                     {ID: FEventType, Name: "event.type", Column: "event_type", Kind: LowCard, Multi: true, Doc: "ECS type: start, end, connection, access, creation, change, deletion, denied, allowed, info."},
	FEventAction:                   {ID: FEventAction, Name: "event.action", Column: "event_action", Kind: LowCard, Doc: "What was done, in the source's own verb."},
	FEventOutcome:                  {ID: FEventOutcome, Name: "event.outcome", Column: "event_outcome", Kind: LowCard, Doc: "success, failure or unknown."},
	FEventCode:                     {ID: FEventCode, Name: "event.code", Column: "event_code", Kind: LowCard, Doc: "The source's event identifier (Windows event id, Suricata signature id)."},
	FEventModule:                   {ID: FEventModule, Name: "event.module", Column: "event_module", Kind: LowCard, Doc: "The product that wrote the record: windows, zeek, suricata, aws, linux."},
	FEventDataset:                  {ID: FEventDataset, Name: "event.dataset", Column: "event_dataset", Kind: LowCard, Doc: "Module and log kind: zeek.conn, windows.sysmon, linux.auth."},
	FEventProvider:                 {ID: FEventProvider, Name: "event.provider", Column: "event_provider", Kind: LowCard, Doc: "The program or channel that produced the event."},
	FEventSeverity:                 {ID: FEventSeverity, Name: "event.severity", Column: "event_severity", Kind: Long, Doc: "Numeric severity as given by the source."},
	FEventReason:                   {ID: FEventReason, Name: "event.reason", Column: "event_reason", Kind: Keyword, Doc: "Why the outcome came about."},
	FEventID:                       {ID: FEventID, Name: "event.id", Column: "event_id", Kind: Keyword, Doc: "The source's unique id of the event."},
	FEventDuration:                 {ID: FEventDuration, Name: "event.duration", Column: "event_duration", Kind: Long, Doc: "Duration in nanoseconds."},
	FEventStart:                    {ID: FEventStart, Name: "event.start", Column: "event_start", Kind: Date, Doc: "When the activity began."},
	FEventEnd:                      {ID: FEventEnd, Name: "event.end", Column: "event_end", Kind: Date, Doc: "When the activity ended."},
	FEventCreated:                  {ID: FEventCreated, Name: "event.created", Column: "event_created", Kind: Date, Doc: "When the source recorded the event."},
	FEventSequence:                 {ID: FEventSequence, Name: "event.sequence", Column: "event_sequence", Kind: Long, Doc: "The source's record number."},
	FOcsfClassUid:                  {ID: FOcsfClassUid, Name: "ocsf.class_uid", Column: "ocsf_class_uid", Kind: Long, Doc: "OCSF class id of the event, 0 when it has none."},
	FLogLevel:                      {ID: FLogLevel, Name: "log.level", Column: "log_level", Kind: LowCard, Doc: "Log level as given."},
	FLogFilePath:                   {ID: FLogFilePath, Name: "log.file.path", Column: "log_file_path", Kind: Keyword, Doc: "File the record came from, if the record names it."},
	FLogSyslogFacilityName:         {ID: FLogSyslogFacilityName, Name: "log.syslog.facility.name", Column: "log_syslog_facility_name", Kind: LowCard, Doc: "Syslog facility."},
	FLogSyslogSeverityName:         {ID: FLogSyslogSeverityName, Name: "log.syslog.severity.name", Column: "log_syslog_severity_name", Kind: LowCard, Doc: "Syslog severity."},
	FObserverName:                  {ID: FObserverName, Name: "observer.name", Column: "observer_name", Kind: LowCard, Doc: "Name of the sensor."},
	FObserverType:                  {ID: FObserverType, Name: "observer.type", Column: "observer_type", Kind: LowCard, Doc: "Kind of sensor: ids or firewall."},
	FObserverIP:                    {ID: FObserverIP, Name: "observer.ip", Column: "observer_ip", Kind: IP, Multi: true, Doc: "Addresses of the sensor."},
	FObserverIngressInterfaceName:  {ID: FObserverIngressInterfaceName, Name: "observer.ingress.interface.name", Column: "observer_ingress_interface_name", Kind: LowCard, Doc: "Interface the traffic came in by."},
	FHostName:                      {ID: FHostName, Name: "host.name", Column: "host_name", Kind: LowCard, Doc: "Name of the host the event happened on."},
	FHostHostname:                  {ID: FHostHostname, Name: "host.hostname", Column: "host_hostname", Kind: LowCard, Doc: "Host name as the host itself reports it."},
	FHostIP:                        {ID: FHostIP, Name: "host.ip", Column: "host_ip", Kind: IP, Multi: true, Doc: "Addresses of the host."},
	FHostMac:                       {ID: FHostMac, Name: "host.mac", Column: "host_mac", Kind: Keyword, Multi: true, Doc: "Hardware addresses of the host."},
	FHostOsFamily:                  {ID: FHostOsFamily, Name: "host.os.family", Column: "host_os_family", Kind: LowCard, Doc: "windows, linux, macos."},
	FHostOsName:                    {ID: FHostOsName, Name: "host.os.name", Column: "host_os_name", Kind: LowCard, Doc: "Operating system name."},
	FHostID:                        {ID: FHostID, Name: "host.id", Column: "host_id", Kind: Keyword, Doc: "Unique id of the host."},
	FSourceIP:                      {ID: FSourceIP, Name: "source.ip", Column: "source_ip", Kind: IP, Index: true, Doc: "Address the activity came from."},
	FSourcePort:                    {ID: FSourcePort, Name: "source.port", Column: "source_port", Kind: Long, Doc: "Port the activity came from."},
	FSourceAddress:                 {ID: FSourceAddress, Name: "source.address", Column: "source_address", Kind: Keyword, Doc: "Source as written: name or address."},
	FSourceDomain:                  {ID: FSourceDomain, Name: "source.domain", Column: "source_domain", Kind: Keyword, Doc: "Domain name of the source."},
	FSourceBytes:                   {ID: FSourceBytes, Name: "source.bytes", Column: "source_bytes", Kind: Long, Doc: "Bytes sent by the source."},
	FSourcePackets:                 {ID: FSourcePackets, Name: "source.packets", Column: "source_packets", Kind: Long, Doc: "Packets sent by the source."},
	FSourceMac:                     {ID: FSourceMac, Name: "source.mac", Column: "source_mac", Kind: Keyword, Doc: "Hardware address of the source."},
	FSourceUserName:                {ID: FSourceUserName, Name: "source.user.name", Column: "source_user_name", Kind: Keyword, Doc: "User on the source side."},
	FSourceGeoCountryIsoCode:       {ID: FSourceGeoCountryIsoCode, Name: "source.geo.country_iso_code", Column: "source_geo_country_iso_code", Kind: LowCard, Doc: "Country of the source address (enriched)."},
	FSourceAsNumber:                {ID: FSourceAsNumber, Name: "source.as.number", Column: "source_as_number", Kind: Long, Doc: "Autonomous system of the source address (enriched)."},
	FSourceNatIP:                   {ID: FSourceNatIP, Name: "source.nat.ip", Column: "source_nat_ip", Kind: IP, Doc: "Translated source address."},
	FDestinationIP:                 {ID: FDestinationIP, Name: "destination.ip", Column: "destination_ip", Kind: IP, Index: true, Doc: "Address the activity went to."},
	FDestinationPort:               {ID: FDestinationPort, Name: "destination.port", Column: "destination_port", Kind: Long, Doc: "Port the activity went to."},
	FDestinationAddress:            {ID: FDestinationAddress, Name: "destination.address", Column: "destination_address", Kind: Keyword, Doc: "Destination as written: name or address."},
	FDestinationDomain:             {ID: FDestinationDomain, Name: "destination.domain", Column: "destination_domain", Kind: Keyword, Doc: "Domain name of the destination."},
	FDestinationBytes:              {ID: FDestinationBytes, Name: "destination.bytes", Column: "destination_bytes", Kind: Long, Doc: "Bytes sent by the destination."},
	FDestinationPackets:            {ID: FDestinationPackets, Name: "destination.packets", Column: "destination_packets", Kind: Long, Doc: "Packets sent by the destination."},
	FDestinationMac:                {ID: FDestinationMac, Name: "destination.mac", Column: "destination_mac", Kind: Keyword, Doc: "Hardware address of the destination."},
	FDestinationUserName:           {ID: FDestinationUserName, Name: "destination.user.name", Column: "destination_user_name", Kind: Keyword, Doc: "User on the destination side."},
	FDestinationGeoCountryIsoCode:  {ID: FDestinationGeoCountryIsoCode, Name: "destination.geo.country_iso_code", Column: "destination_geo_country_iso_code", Kind: LowCard, Doc: "Country of the destination address (enriched)."},
	FDestinationAsNumber:           {ID: FDestinationAsNumber, Name: "destination.as.number", Column: "destination_as_number", Kind: Long, Doc: "Autonomous system of the destination address (enriched)."},
	FClientIP:                      {ID: FClientIP, Name: "client.ip", Column: "client_ip", Kind: IP, Doc: "Client address where it differs from source."},
	FServerIP:                      {ID: FServerIP, Name: "server.ip", Column: "server_ip", Kind: IP, Doc: "Server address where it differs from destination."},
	FNetworkProtocol:               {ID: FNetworkProtocol, Name: "network.protocol", Column: "network_protocol", Kind: LowCard, Doc: "Application protocol: dns, http, tls, smb."},
	FNetworkTransport:              {ID: FNetworkTransport, Name: "network.transport", Column: "network_transport", Kind: LowCard, Doc: "tcp, udp, icmp."},
	FNetworkType:                   {ID: FNetworkType, Name: "network.type", Column: "network_type", Kind: LowCard, Doc: "ipv4 or ipv6."},
	FNetworkDirection:              {ID: FNetworkDirection, Name: "network.direction", Column: "network_direction", Kind: LowCard, Doc: "inbound, outbound, internal, external."},
	FNetworkBytes:                  {ID: FNetworkBytes, Name: "network.bytes", Column: "network_bytes", Kind: Long, Doc: "Bytes in both directions."},
	FNetworkPackets:                {ID: FNetworkPackets, Name: "network.packets", Column: "network_packets", Kind: Long, Doc: "Packets in both directions."},
	FNetworkCommunityID:            {ID: FNetworkCommunityID, Name: "network.community_id", Column: "network_community_id", Kind: Keyword, Doc: "Community id flow hash."},
	FNetworkName:                   {ID: FNetworkName, Name: "network.name", Column: "network_name", Kind: LowCard, Doc: "Name of the network segment."},
	FNetworkVlanID:                 {ID: FNetworkVlanID, Name: "network.vlan.id", Column: "network_vlan_id", Kind: LowCard, Doc: "VLAN id."},
	FUserName:                      {ID: FUserName, Name: "user.name", Column: "user_name", Kind: LowCard, Index: true, Doc: "Short login name of the acting user."},
	FUserID:                        {ID: FUserID, Name: "user.id", Column: "user_id", Kind: Keyword, Doc: "Id of the acting user (SID, uid, ARN)."},
	FUserDomain:                    {ID: FUserDomain, Name: "user.domain", Column: "user_domain", Kind: LowCard, Doc: "Directory or domain of the acting user."},
	FUserEmail:                     {ID: FUserEmail, Name: "user.email", Column: "user_email", Kind: Keyword, Doc: "E-mail of the acting user."},
	FUserFullName:                  {ID: FUserFullName, Name: "user.full_name", Column: "user_full_name", Kind: Keyword, Doc: "Full name of the acting user."},
	FUserRoles:                     {ID: FUserRoles, Name: "user.roles", Column: "user_roles", Kind: LowCard, Multi: true, Doc: "Roles of the acting user."},
	FUserTargetName:                {ID: FUserTargetName, Name: "user.target.name", Column: "user_target_name", Kind: LowCard, Doc: "User acted upon."},
	FUserTargetID:                  {ID: FUserTargetID, Name: "user.target.id", Column: "user_target_id", Kind: Keyword, Doc: "Id of the user acted upon."},
	FUserTargetDomain:              {ID: FUserTargetDomain, Name: "user.target.domain", Column: "user_target_domain", Kind: LowCard, Doc: "Domain of the user acted upon."},
	FUserEffectiveName:             {ID: FUserEffectiveName, Name: "user.effective.name", Column: "user_effective_name", Kind: LowCard, Doc: "User after a privilege change."},
	FUserEffectiveID:               {ID: FUserEffectiveID, Name: "user.effective.id", Column: "user_effective_id", Kind: Keyword, Doc: "Id of the user after a privilege change."},
	FGroupName:                     {ID: FGroupName, Name: "group.name", Column: "group_name", Kind: LowCard, Doc: "Group concerned."},
	FGroupID:                       {ID: FGroupID, Name: "group.id", Column: "group_id", Kind: Keyword, Doc: "Id of the group concerned."},
	FRelatedIP:                     {ID: FRelatedIP, Name: "related.ip", Column: "related_ip", Kind: Keyword, Multi: true, Doc: "Addresses seen anywhere in the event."},
	FRelatedUser:                   {ID: FRelatedUser, Name: "related.user", Column: "related_user", Kind: Keyword, Multi: true, Doc: "Users seen anywhere in the event."},
	FRelatedHash:                   {ID: FRelatedHash, Name: "related.hash", Column: "related_hash", Kind: Keyword, Multi: true, Doc: "Hashes seen anywhere in the event."},
	FRelatedHosts:                  {ID: FRelatedHosts, Name: "related.hosts", Column: "related_hosts", Kind: Keyword, Multi: true, Doc: "Hosts seen anywhere in the event."},
	FProcessName:                   {ID: FProcessName, Name: "process.name", Column: "process_name", Kind: LowCard, Index: true, Doc: "File name of the executable."},
	FProcessExecutable:             {ID: FProcessExecutable, Name: "process.executable", Column: "process_executable", Kind: Keyword, Doc: "Full path of the executable."},
	FProcessCommandLine:            {ID: FProcessCommandLine, Name: "process.command_line", Column: "process_command_line", Kind: Text, Doc: "Command line with arguments."},
	FProcessArgs:                   {ID: FProcessArgs, Name: "process.args", Column: "process_args", Kind: Keyword, Multi: true, Doc: "Arguments, one each."},
	FProcessPid:                    {ID: FProcessPid, Name: "process.pid", Column: "process_pid", Kind: Long, Doc: "Process id."},
	FProcessEntityID:               {ID: FProcessEntityID, Name: "process.entity_id", Column: "process_entity_id", Kind: Keyword, Doc: "Unique id of the process (Sysmon ProcessGuid)."},
	FProcessWorkingDirectory:       {ID: FProcessWorkingDirectory, Name: "process.working_directory", Column: "process_working_directory", Kind: Keyword, Doc: "Current directory."},
	FProcessTitle:                  {ID: FProcessTitle, Name: "process.title", Column: "process_title", Kind: Keyword, Doc: "Title or description of the process."},
	FProcessExitCode:               {ID: FProcessExitCode, Name: "process.exit_code", Column: "process_exit_code", Kind: Long, Doc: "Exit code."},
	FProcessHashMd5:                {ID: FProcessHashMd5, Name: "process.hash.md5", Column: "process_hash_md5", Kind: Keyword, Doc: "MD5 of the executable."},
	FProcessHashSha1:               {ID: FProcessHashSha1, Name: "process.hash.sha1", Column: "process_hash_sha1", Kind: Keyword, Doc: "SHA-1 of the executable."},
	FProcessHashSha256:             {ID: FProcessHashSha256, Name: "process.hash.sha256", Column: "process_hash_sha256", Kind: Keyword, Index: true, Doc: "SHA-256 of the executable."},
	FProcessPeOriginalFileName:     {ID: FProcessPeOriginalFileName, Name: "process.pe.original_file_name", Column: "process_pe_original_file_name", Kind: LowCard, Doc: "Name compiled into the executable."},
	FProcessPeImphash:              {ID: FProcessPeImphash, Name: "process.pe.imphash", Column: "process_pe_imphash", Kind: Keyword, Doc: "Import hash of the executable."},
	FProcessPeCompany:              {ID: FProcessPeCompany, Name: "process.pe.company", Column: "process_pe_company", Kind: LowCard, Doc: "Company compiled into the executable."},
	FProcessPeDescription:          {ID: FProcessPeDescription, Name: "process.pe.description", Column: "process_pe_description", Kind: LowCard, Doc: "Description compiled into the executable."},
	FProcessPeProduct:              {ID: FProcessPeProduct, Name: "process.pe.product", Column: "process_pe_product", Kind: LowCard, Doc: "Product compiled into the executable."},
	FProcessPeFileVersion:          {ID: FProcessPeFileVersion, Name: "process.pe.file_version", Column: "process_pe_file_version", Kind: LowCard, Doc: "Version compiled into the executable."},
	FProcessIntegrityLevel:         {ID: FProcessIntegrityLevel, Name: "process.integrity_level", Column: "process_integrity_level", Kind: LowCard, Doc: "Windows integrity level of the process."},
	FProcessParentName:             {ID: FProcessParentName, Name: "process.parent.name", Column: "process_parent_name", Kind: LowCard, Doc: "File name of the parent executable."},
	FProcessParentExecutable:       {ID: FProcessParentExecutable, Name: "process.parent.executable", Column: "process_parent_executable", Kind: Keyword, Doc: "Full path of the parent executable."},
	FProcessParentCommandLine:      {ID: FProcessParentCommandLine, Name: "process.parent.command_line", Column: "process_parent_command_line", Kind: Keyword, Doc: "Command line of the parent."},
	FProcessParentPid:              {ID: FProcessParentPid, Name: "process.parent.pid", Column: "process_parent_pid", Kind: Long, Doc: "Parent process id."},
	FProcessParentEntityID:         {ID: FProcessParentEntityID, Name: "process.parent.entity_id", Column: "process_parent_entity_id", Kind: Keyword, Doc: "Unique id of the parent process."},
	FProcessParentUserName:         {ID: FProcessParentUserName, Name: "process.parent.user.name", Column: "process_parent_user_name", Kind: LowCard, Doc: "User of the parent process."},
	FProcessTargetExecutable:       {ID: FProcessTargetExecutable, Name: "process.target.executable", Column: "process_target_executable", Kind: Keyword, Doc: "Process acted upon (injection, handle access)."},
	FProcessTargetPid:              {ID: FProcessTargetPid, Name: "process.target.pid", Column: "process_target_pid", Kind: Long, Doc: "Id of the process acted upon."},
	FProcessTargetEntityID:         {ID: FProcessTargetEntityID, Name: "process.target.entity_id", Column: "process_target_entity_id", Kind: Keyword, Doc: "Unique id of the process acted upon."},
	FFileName:                      {ID: FFileName, Name: "file.name", Column: "file_name", Kind: Keyword, Doc: "File name."},
	FFilePath:                      {ID: FFilePath, Name: "file.path", Column: "file_path", Kind: Keyword, Doc: "Full path of the file."},
	FFileDirectory:                 {ID: FFileDirectory, Name: "file.directory", Column: "file_directory", Kind: Keyword, Doc: "Folder of the file."},
	FFileExtension:                 {ID: FFileExtension, Name: "file.extension", Column: "file_extension", Kind: LowCard, Doc: "Extension without dot."},
	FFileSize:                      {ID: FFileSize, Name: "file.size", Column: "file_size", Kind: Long, Doc: "Size in bytes."},
	FFileType:                      {ID: FFileType, Name: "file.type", Column: "file_type", Kind: LowCard, Doc: "file, dir, symlink."},
	FFileMimeType:                  {ID: FFileMimeType, Name: "file.mime_type", Column: "file_mime_type", Kind: LowCard, Doc: "Media type."},
	FFileOwner:                     {ID: FFileOwner, Name: "file.owner", Column: "file_owner", Kind: LowCard, Doc: "Owner."},
	FFileHashMd5:                   {ID: FFileHashMd5, Name: "file.hash.md5", Column: "file_hash_md5", Kind: Keyword, Doc: "MD5 of the file."},
	FFileHashSha1:                  {ID: FFileHashSha1, Name: "file.hash.sha1", Column: "file_hash_sha1", Kind: Keyword, Doc: "SHA-1 of the file."},
	FFileHashSha256:                {ID: FFileHashSha256, Name: "file.hash.sha256", Column: "file_hash_sha256", Kind: Keyword, Index: true, Doc: "SHA-256 of the file."},
	FFileCodeSignatureStatus:       {ID: FFileCodeSignatureStatus, Name: "file.code_signature.status", Column: "file_code_signature_status", Kind: LowCard, Doc: "Signature status."},
	FFileCodeSignatureSubjectName:  {ID: FFileCodeSignatureSubjectName, Name: "file.code_signature.subject_name", Column: "file_code_signature_subject_name", Kind: LowCard, Doc: "Signer."},
	FFileCodeSignatureSigned:       {ID: FFileCodeSignatureSigned, Name: "file.code_signature.signed", Column: "file_code_signature_signed", Kind: Bool, Doc: "Whether the file is signed."},
	FDllName:                       {ID: FDllName, Name: "dll.name", Column: "dll_name", Kind: LowCard, Doc: "Library loaded."},
	FDllPath:                       {ID: FDllPath, Name: "dll.path", Column: "dll_path", Kind: Keyword, Doc: "Path of the library loaded."},
	FRegistryPath:                  {ID: FRegistryPath, Name: "registry.path", Column: "registry_path", Kind: Keyword, Doc: "Full registry path with value name."},
	FRegistryKey:                   {ID: FRegistryKey, Name: "registry.key", Column: "registry_key", Kind: Keyword, Doc: "Registry key."},
	FRegistryHive:                  {ID: FRegistryHive, Name: "registry.hive", Column: "registry_hive", Kind: LowCard, Doc: "Registry hive."},
	FRegistryValue:                 {ID: FRegistryValue, Name: "registry.value", Column: "registry_value", Kind: Keyword, Doc: "Registry value name."},
	FRegistryDataStrings:           {ID: FRegistryDataStrings, Name: "registry.data.strings", Column: "registry_data_strings", Kind: Keyword, Multi: true, Doc: "Registry data as text."},
	FRegistryDataType:              {ID: FRegistryDataType, Name: "registry.data.type", Column: "registry_data_type", Kind: LowCard, Doc: "Registry data type."},
	FDnsQuestionName:               {ID: FDnsQuestionName, Name: "dns.question.name", Column: "dns_question_name", Kind: Keyword, Index: true, Doc: "Name asked for."},
	FDnsQuestionType:               {ID: FDnsQuestionType, Name: "dns.question.type", Column: "dns_question_type", Kind: LowCard, Doc: "Record type asked for."},
	FDnsQuestionClass:              {ID: FDnsQuestionClass, Name: "dns.question.class", Column: "dns_question_class", Kind: LowCard, Doc: "Class asked for."},
	FDnsQuestionRegisteredDomain:   {ID: FDnsQuestionRegisteredDomain, Name: "dns.question.registered_domain", Column: "dns_question_registered_domain", Kind: Keyword, Doc: "Effective top-level domain plus one."},
	FDnsResponseCode:               {ID: FDnsResponseCode, Name: "dns.response_code", Column: "dns_response_code", Kind: LowCard, Doc: "Response code."},
	FDnsAnswersData:                {ID: FDnsAnswersData, Name: "dns.answers.data", Column: "dns_answers_data", Kind: Keyword, Multi: true, Doc: "Answers as text."},
	FDnsResolvedIP:                 {ID: FDnsResolvedIP, Name: "dns.resolved_ip", Column: "dns_resolved_ip", Kind: IP, Multi: true, Doc: "Addresses among the answers."},
	FDnsID:                         {ID: FDnsID, Name: "dns.id", Column: "dns_id", Kind: Keyword, Doc: "Transaction id."},
	FUrlOriginal:                   {ID: FUrlOriginal, Name: "url.original", Column: "url_original", Kind: Keyword, Doc: "URL as seen."},
	FUrlFull:                       {ID: FUrlFull, Name: "url.full", Column: "url_full", Kind: Keyword, Doc: "Whole URL."},
	FUrlDomain:                     {ID: FUrlDomain, Name: "url.domain", Column: "url_domain", Kind: Keyword, Index: true, Doc: "Host part of the URL."},
	FUrlPath:                       {ID: FUrlPath, Name: "url.path", Column: "url_path", Kind: Keyword, Doc: "Path part of the URL."},
	FUrlQuery:                      {ID: FUrlQuery, Name: "url.query", Column: "url_query", Kind: Keyword, Doc: "Query part of the URL."},
	FUrlScheme:                     {ID: FUrlScheme, Name: "url.scheme", Column: "url_scheme", Kind: LowCard, Doc: "Scheme of the URL."},
	FUrlPort:                       {ID: FUrlPort, Name: "url.port", Column: "url_port", Kind: Long, Doc: "Port of the URL."},
	FHttpRequestMethod:             {ID: FHttpRequestMethod, Name: "http.request.method", Column: "http_request_method", Kind: LowCard, Doc: "Request method."},
	FHttpRequestReferrer:           {ID: FHttpRequestReferrer, Name: "http.request.referrer", Column: "http_request_referrer", Kind: Keyword, Doc: "Referrer."},
	FHttpRequestBodyBytes:          {ID: FHttpRequestBodyBytes, Name: "http.request.body.bytes", Column: "http_request_body_bytes", Kind: Long, Doc: "Body bytes of the request."},
	FHttpRequestMimeType:           {ID: FHttpRequestMimeType, Name: "http.request.mime_type", Column: "http_request_mime_type", Kind: LowCard, Doc: "Media type of the request."},
	FHttpResponseStatusCode:        {ID: FHttpResponseStatusCode, Name: "http.response.status_code", Column: "http_response_status_code", Kind: Long, Doc: "Status code."},
	FHttpResponseBodyBytes:         {ID: FHttpResponseBodyBytes, Name: "http.response.body.bytes", Column: "http_response_body_bytes", Kind: Long, Doc: "Body bytes of the response."},
	FHttpResponseMimeType:          {ID: FHttpResponseMimeType, Name: "http.response.mime_type", Column: "http_response_mime_type", Kind: LowCard, Doc: "Media type of the response."},
	FHttpVersion:                   {ID: FHttpVersion, Name: "http.version", Column: "http_version", Kind: LowCard, Doc: "HTTP version."},
	FUserAgentOriginal:             {ID: FUserAgentOriginal, Name: "user_agent.original", Column: "user_agent_original", Kind: Keyword, Doc: "User agent as sent."},
	FUserAgentName:                 {ID: FUserAgentName, Name: "user_agent.name", Column: "user_agent_name", Kind: LowCard, Doc: "User agent product (enriched)."},
	FTlsVersion:                    {ID: FTlsVersion, Name: "tls.version", Column: "tls_version", Kind: LowCard, Doc: "TLS version."},
	FTlsCipher:                     {ID: FTlsCipher, Name: "tls.cipher", Column: "tls_cipher", Kind: LowCard, Doc: "Cipher suite."},
	FTlsEstablished:                {ID: FTlsEstablished, Name: "tls.established", Column: "tls_established", Kind: Bool, Doc: "Whether the handshake finished."},
	FTlsResumed:                    {ID: FTlsResumed, Name: "tls.resumed", Column: "tls_resumed", Kind: Bool, Doc: "Whether the session was resumed."},
	FTlsCurve:                      {ID: FTlsCurve, Name: "tls.curve", Column: "tls_curve", Kind: LowCard, Doc: "Curve."},
	FTlsClientJa3:                  {ID: FTlsClientJa3, Name: "tls.client.ja3", Column: "tls_client_ja3", Kind: Keyword, Doc: "JA3 of the client."},
	FTlsServerJa3s:                 {ID: FTlsServerJa3s, Name: "tls.server.ja3s", Column: "tls_server_ja3s", Kind: Keyword, Doc: "JA3S of the server."},
	FTlsClientServerName:           {ID: FTlsClientServerName, Name: "tls.client.server_name", Column: "tls_client_server_name", Kind: Keyword, Doc: "Server name asked for (SNI)."},
	FTlsServerSubject:              {ID: FTlsServerSubject, Name: "tls.server.subject", Column: "tls_server_subject", Kind: Keyword, Doc: "Subject of the server certificate."},
	FTlsServerIssuer:               {ID: FTlsServerIssuer, Name: "tls.server.issuer", Column: "tls_server_issuer", Kind: Keyword, Doc: "Issuer of the server certificate."},
	FTlsServerHashSha1:             {ID: FTlsServerHashSha1, Name: "tls.server.hash.sha1", Column: "tls_server_hash_sha1", Kind: Keyword, Doc: "Fingerprint of the server certificate."},
	FTlsNextProtocol:               {ID: FTlsNextProtocol, Name: "tls.next_protocol", Column: "tls_next_protocol", Kind: LowCard, Doc: "ALPN protocol."},
	FX509SubjectCommonName:         {ID: FX509SubjectCommonName, Name: "x509.subject.common_name", Column: "x509_subject_common_name", Kind: Keyword, Doc: "Certificate subject common name."},
	FX509IssuerCommonName:          {ID: FX509IssuerCommonName, Name: "x509.issuer.common_name", Column: "x509_issuer_common_name", Kind: Keyword, Doc: "Certificate issuer common name."},
	FX509SerialNumber:              {ID: FX509SerialNumber, Name: "x509.serial_number", Column: "x509_serial_number", Kind: Keyword, Doc: "Certificate serial."},
	FX509NotBefore:                 {ID: FX509NotBefore, Name: "x509.not_before", Column: "x509_not_before", Kind: Date, Doc: "Certificate validity start."},
	FX509NotAfter:                  {ID: FX509NotAfter, Name: "x509.not_after", Column: "x509_not_after", Kind: Date, Doc: "Certificate validity end."},
	FEmailFromAddress:              {ID: FEmailFromAddress, Name: "email.from.address", Column: "email_from_address", Kind: Keyword, Multi: true, Doc: "Sender."},
	FEmailToAddress:                {ID: FEmailToAddress, Name: "email.to.address", Column: "email_to_address", Kind: Keyword, Multi: true, Doc: "Recipients."},
	FEmailSubject:                  {ID: FEmailSubject, Name: "email.subject", Column: "email_subject", Kind: Keyword, Doc: "Subject."},
	FEmailMessageID:                {ID: FEmailMessageID, Name: "email.message_id", Column: "email_message_id", Kind: Keyword, Doc: "Message id."},
	FServiceName:                   {ID: FServiceName, Name: "service.name", Column: "service_name", Kind: LowCard, Doc: "Service concerned."},
	FServiceType:                   {ID: FServiceType, Name: "service.type", Column: "service_type", Kind: LowCard, Doc: "Type of the service."},
	FServiceState:                  {ID: FServiceState, Name: "service.state", Column: "service_state", Kind: LowCard, Doc: "State of the service."},
	FRuleID:                        {ID: FRuleID, Name: "rule.id", Column: "rule_id", Kind: LowCard, Doc: "Rule id of a foreign detector (Suricata sid)."},
	FRuleName:                      {ID: FRuleName, Name: "rule.name", Column: "rule_name", Kind: LowCard, Doc: "Rule name of a foreign detector."},
	FRuleCategory:                  {ID: FRuleCategory, Name: "rule.category", Column: "rule_category", Kind: LowCard, Doc: "Rule category of a foreign detector."},
	FRuleRuleset:                   {ID: FRuleRuleset, Name: "rule.ruleset", Column: "rule_ruleset", Kind: LowCard, Doc: "Rule set of a foreign detector."},
	FCloudProvider:                 {ID: FCloudProvider, Name: "cloud.provider", Column: "cloud_provider", Kind: LowCard, Doc: "aws, azure, gcp, o365."},
	FCloudAccountID:                {ID: FCloudAccountID, Name: "cloud.account.id", Column: "cloud_account_id", Kind: LowCard, Doc: "Cloud account."},
	FCloudRegion:                   {ID: FCloudRegion, Name: "cloud.region", Column: "cloud_region", Kind: LowCard, Doc: "Cloud region."},
	FCloudServiceName:              {ID: FCloudServiceName, Name: "cloud.service.name", Column: "cloud_service_name", Kind: LowCard, Doc: "Cloud service."},
	FCloudInstanceID:               {ID: FCloudInstanceID, Name: "cloud.instance.id", Column: "cloud_instance_id", Kind: Keyword, Doc: "Cloud instance."},
	FErrorCode:                     {ID: FErrorCode, Name: "error.code", Column: "error_code", Kind: LowCard, Doc: "Error code of the activity."},
	FErrorMessage:                  {ID: FErrorMessage, Name: "error.message", Column: "error_message", Kind: Keyword, Doc: "Error message of the activity."},
	FSessionID:                     {ID: FSessionID, Name: "session.id", Column: "session_id", Kind: Keyword, Doc: "Session or logon id."},
	FThreatIndicatorValue:          {ID: FThreatIndicatorValue, Name: "threat.indicator.value", Column: "threat_indicator_value", Kind: Keyword, Multi: true, Doc: "Indicators matched by the event (enriched)."},
	FThreatIndicatorFeed:           {ID: FThreatIndicatorFeed, Name: "threat.indicator.feed", Column: "threat_indicator_feed", Kind: LowCard, Multi: true, Doc: "Feeds of the matched indicators (enriched)."},
	FWinlogChannel:                 {ID: FWinlogChannel, Name: "winlog.channel", Column: "winlog_channel", Kind: LowCard, Doc: "Windows log channel."},
	FWinlogComputerName:            {ID: FWinlogComputerName, Name: "winlog.computer_name", Column: "winlog_computer_name", Kind: LowCard, Doc: "Computer name in the Windows record."},
	FWinlogEventID:                 {ID: FWinlogEventID, Name: "winlog.event_id", Column: "winlog_event_id", Kind: Long, Doc: "Windows event id."},
	FWinlogProviderName:            {ID: FWinlogProviderName, Name: "winlog.provider_name", Column: "winlog_provider_name", Kind: LowCard, Doc: "Windows event provider."},
	FWinlogRecordID:                {ID: FWinlogRecordID, Name: "winlog.record_id", Column: "winlog_record_id", Kind: Long, Doc: "Windows record number."},
	FWinlogTask:                    {ID: FWinlogTask, Name: "winlog.task", Column: "winlog_task", Kind: LowCard, Doc: "Windows task text."},
	FWinlogOpcode:                  {ID: FWinlogOpcode, Name: "winlog.opcode", Column: "winlog_opcode", Kind: LowCard, Doc: "Windows opcode text."},
	FWinlogKeywords:                {ID: FWinlogKeywords, Name: "winlog.keywords", Column: "winlog_keywords", Kind: LowCard, Multi: true, Doc: "Windows keywords."},
	FWinlogLogonType:               {ID: FWinlogLogonType, Name: "winlog.logon.type", Column: "winlog_logon_type", Kind: LowCard, Doc: "Windows logon type number."},
	FWinlogLogonID:                 {ID: FWinlogLogonID, Name: "winlog.logon.id", Column: "winlog_logon_id", Kind: Keyword, Doc: "Windows logon id."},
	FWinlogProcessPid:              {ID: FWinlogProcessPid, Name: "winlog.process.pid", Column: "winlog_process_pid", Kind: Long, Doc: "Process id of the Windows event writer."},
	FWinlogProcessThreadID:         {ID: FWinlogProcessThreadID, Name: "winlog.process.thread.id", Column: "winlog_process_thread_id", Kind: Long, Doc: "Thread id of the Windows event writer."},
	FPipeName:                      {ID: FPipeName, Name: "pipe.name", Column: "pipe_name", Kind: Keyword, Doc: "Named pipe."},
	FTags:                          {ID: FTags, Name: "tags", Column: "tags", Kind: LowCard, Multi: true, Doc: "Free tags."},
	FSourceGeoCityName:             {ID: FSourceGeoCityName, Name: "source.geo.city_name", Column: "source_geo_city_name", Kind: LowCard, Since: 13, Doc: "City of the source address (enriched)."},
	FSourceAsOrganizationName:      {ID: FSourceAsOrganizationName, Name: "source.as.organization.name", Column: "source_as_organization_name", Kind: LowCard, Since: 13, Doc: "Who runs the autonomous system of the source address (enriched)."},
	FDestinationGeoCityName:        {ID: FDestinationGeoCityName, Name: "destination.geo.city_name", Column: "destination_geo_city_name", Kind: LowCard, Since: 13, Doc: "City of the destination address (enriched)."},
	FDestinationAsOrganizationName: {ID: FDestinationAsOrganizationName, Name: "destination.as.organization.name", Column: "destination_as_organization_name", Kind: LowCard, Since: 13, Doc: "Who runs the autonomous system of the destination address (enriched)."},
	FHostAssetName:                 {ID: FHostAssetName, Name: "host.asset.name", Column: "host_asset_name", Kind: LowCard, Since: 13, Doc: "The host's name in the asset table (enriched)."},
	FHostAssetCriticality:          {ID: FHostAssetCriticality, Name: "host.asset.criticality", Column: "host_asset_criticality", Kind: LowCard, Since: 13, Doc: "How much depends on the host: low, medium, high or critical (enriched)."},
	FHostAssetOwner:                {ID: FHostAssetOwner, Name: "host.asset.owner", Column: "host_asset_owner", Kind: LowCard, Since: 13, Doc: "Who answers for the host (enriched)."},
	FHostAssetDepartment:           {ID: FHostAssetDepartment, Name: "host.asset.department", Column: "host_asset_department", Kind: LowCard, Since: 13, Doc: "Whom the host serves (enriched)."},
	FHostAssetTags:                 {ID: FHostAssetTags, Name: "host.asset.tags", Column: "host_asset_tags", Kind: LowCard, Multi: true, Since: 13, Doc: "Tags of the host in the asset table (enriched)."},
	FSourceAssetName:               {ID: FSourceAssetName, Name: "source.asset.name", Column: "source_asset_name", Kind: LowCard, Since: 13, Doc: "The source's name in the asset table (enriched)."},
	FSourceAssetCriticality:        {ID: FSourceAssetCriticality, Name: "source.asset.criticality", Column: "source_asset_criticality", Kind: LowCard, Since: 13, Doc: "How much depends on the source: low, medium, high or critical (enriched)."},
	FSourceAssetOwner:              {ID: FSourceAssetOwner, Name: "source.asset.owner", Column: "source_asset_owner", Kind: LowCard, Since: 13, Doc: "Who answers for the source (enriched)."},
	FSourceAssetTags:               {ID: FSourceAssetTags, Name: "source.asset.tags", Column: "source_asset_tags", Kind: LowCard, Multi: true, Since: 13, Doc: "Tags of the source in the asset table (enriched)."},
	FDestinationAssetName:          {ID: FDestinationAssetName, Name: "destination.asset.name", Column: "destination_asset_name", Kind: LowCard, Since: 13, Doc: "The destination's name in the asset table (enriched)."},
	FDestinationAssetCriticality:   {ID: FDestinationAssetCriticality, Name: "destination.asset.criticality", Column: "destination_asset_criticality", Kind: LowCard, Since: 13, Doc: "How much depends on the destination: low, medium, high or critical (enriched)."},
	FDestinationAssetOwner:         {ID: FDestinationAssetOwner, Name: "destination.asset.owner", Column: "destination_asset_owner", Kind: LowCard, Since: 13, Doc: "Who answers for the destination (enriched)."},
	FDestinationAssetTags:          {ID: FDestinationAssetTags, Name: "destination.asset.tags", Column: "destination_asset_tags", Kind: LowCard, Multi: true, Since: 13, Doc: "Tags of the destination in the asset table (enriched)."},
	FUserIdentityName:              {ID: FUserIdentityName, Name: "user.identity.name", Column: "user_identity_name", Kind: LowCard, Since: 13, Doc: "The acting user's name in the identity table (enriched)."},
	FUserIdentityCriticality:       {ID: FUserIdentityCriticality, Name: "user.identity.criticality", Column: "user_identity_criticality", Kind: LowCard, Since: 13, Doc: "How much the acting user could harm: low, medium, high or critical (enriched)."},
	FUserIdentityDepartment:        {ID: FUserIdentityDepartment, Name: "user.identity.department", Column: "user_identity_department", Kind: LowCard, Since: 13, Doc: "Department of the acting user (enriched)."},
	FUserIdentityPrivileged:        {ID: FUserIdentityPrivileged, Name: "user.identity.privileged", Column: "user_identity_privileged", Kind: Bool, Since: 13, Doc: "Whether the identity table calls the acting user privileged (enriched)."},
	FUserIdentityTags:              {ID: FUserIdentityTags, Name: "user.identity.tags", Column: "user_identity_tags", Kind: LowCard, Multi: true, Since: 13, Doc: "Tags of the acting user in the identity table (enriched)."},
	FUserTargetIdentityName:        {ID: FUserTargetIdentityName, Name: "user.target.identity.name", Column: "user_target_identity_name", Kind: LowCard, Since: 13, Doc: "Name in the identity table of the user acted upon (enriched)."},
	FUserTargetIdentityCriticality: {ID: FUserTargetIdentityCriticality, Name: "user.target.identity.criticality", Column: "user_target_identity_criticality", Kind: LowCard, Since: 13, Doc: "How much the user acted upon could harm: low, medium, high or critical (enriched)."},
	FUserTargetIdentityPrivileged:  {ID: FUserTargetIdentityPrivileged, Name: "user.target.identity.privileged", Column: "user_target_identity_privileged", Kind: Bool, Since: 13, Doc: "Whether the identity table calls the user acted upon privileged (enriched)."},
	FProcessKnownName:              {ID: FProcessKnownName, Name: "process.known.name", Column: "process_known_name", Kind: LowCard, Since: 13, Doc: "What the hash table calls the executable (enriched)."},
	FProcessKnownOwner:             {ID: FProcessKnownOwner, Name: "process.known.owner", Column: "process_known_owner", Kind: LowCard, Since: 13, Doc: "Who answers for the executable, by the hash table (enriched)."},
	FProcessKnownStatus:            {ID: FProcessKnownStatus, Name: "process.known.status", Column: "process_known_status", Kind: LowCard, Since: 13, Doc: "What the hash table says of the executable: allowed, unwanted or denied (enriched)."},
	FFileKnownName:                 {ID: FFileKnownName, Name: "file.known.name", Column: "file_known_name", Kind: LowCard, Since: 13, Doc: "What the hash table calls the file (enriched)."},
	FFileKnownOwner:                {ID: FFileKnownOwner, Name: "file.known.owner", Column: "file_known_owner", Kind: LowCard, Since: 13, Doc: "Who answers for the file, by the hash table (enriched)."},
	FFileKnownStatus:               {ID: FFileKnownStatus, Name: "file.known.status", Column: "file_known_status", Kind: LowCard, Since: 13, Doc: "What the hash table says of the file: allowed, unwanted or denied (enriched)."},
	FDnsQuestionSubdomain:          {ID: FDnsQuestionSubdomain, Name: "dns.question.subdomain", Column: "dns_question_subdomain", Kind: Keyword, Since: 13, Doc: "What stands left of the registered domain asked for (enriched)."},
	FDnsQuestionTopLevelDomain:     {ID: FDnsQuestionTopLevelDomain, Name: "dns.question.top_level_domain", Column: "dns_question_top_level_domain", Kind: LowCard, Since: 13, Doc: "Effective top-level domain of the name asked for (enriched)."},
	FUrlRegisteredDomain:           {ID: FUrlRegisteredDomain, Name: "url.registered_domain", Column: "url_registered_domain", Kind: Keyword, Since: 13, Doc: "Effective top-level domain plus one of the URL's host (enriched)."},
	FUrlSubdomain:                  {ID: FUrlSubdomain, Name: "url.subdomain", Column: "url_subdomain", Kind: Keyword, Since: 13, Doc: "What stands left of the registered domain of the URL's host (enriched)."},
	FUrlTopLevelDomain:             {ID: FUrlTopLevelDomain, Name: "url.top_level_domain", Column: "url_top_level_domain", Kind: LowCard, Since: 13, Doc: "Effective top-level domain of the URL's host (enriched)."},
	FUserAgentVersion:              {ID: FUserAgentVersion, Name: "user_agent.version", Column: "user_agent_version", Kind: LowCard, Since: 13, Doc: "Version of the user agent product (enriched)."},
	FUserAgentOsName:               {ID: FUserAgentOsName, Name: "user_agent.os.name", Column: "user_agent_os_name", Kind: LowCard, Since: 13, Doc: "Operating system that the user agent names (enriched)."},
	FUserAgentDeviceName:           {ID: FUserAgentDeviceName, Name: "user_agent.device.name", Column: "user_agent_device_name", Kind: LowCard, Since: 13, Doc: "Device that the user agent names (enriched)."},
}
