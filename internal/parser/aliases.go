package parser

import (
	"strings"
	"time"

	"vigil/schema"
)

// alias is a name of a field, as words; products write them in many styles.
type alias struct {
	names string // words, names apart by commas
	to    target
}

// aliases are what loggers of no known product call the fields that matter most. The
// first value that comes stays.
func aliases(zone *time.Location) []alias {
	weakTime := by(func(e *schema.Event, v string) {
		if !e.Has(schema.FTimestamp) {
			timeField(schema.FTimestamp, zone)(e, v)
		}
	})
	source, destination := firstIP(schema.FSourceIP, schema.FSourcePort), firstIP(schema.FDestinationIP, schema.FDestinationPort)
	return []alias{
		{"event time,event timestamp,event date,time stamp,created at,creation time,creation date,event creation time,occurred at,occurred,detected at,detection time,time generated,start time,log time,date time,datetime,alert time,received time,utc time,event time utc,utc timestamp,published", weakTime},
		{"src ip,source ip,source ip address,source address,src addr,src,source ipv4,client ip,client ip address,client address,client addr,remote ip,remote ip address,remote addr,remote address,caller ip address,caller ip,ip address,user ip,actor ip,peer ip,attacker ip,origin ip,local ip,ip,sourceip,c ip", source},
		{"dst ip,dest ip,destination ip,destination ip address,destination address,dst addr,dst,destination ipv4,server ip,target ip,dest addr,dest address,victim ip", destination},
		{"src port,source port,client port,local port", first(schema.FSourcePort)}, {"dst port,dest port,destination port,server port,remote port", first(schema.FDestinationPort)},
		{"user name,username,account name,login,login name,user login,actor name,user principal name,actor,account,src user,source user,user id,performed by,initiated by,logged in user,principal", by(plainUser)},
		{"user email,email,email address,actor email,user mail", by(userMail)}, {"user domain,account domain,domain name", first(schema.FUserDomain)}, {"target user,target user name,dst user,target account", first(schema.FUserTargetName)},
		{"host name,hostname,computer name,computer dns name,computer,device name,device hostname,machine name,machine,endpoint name,agent hostname,agent computer name,asset name,device host name,workstation", first(schema.FHostName)},
		{"host ip,device ip,endpoint ip,agent ip", by(hostIP)}, {"mac address,src mac,source mac,device mac", first(schema.FSourceMac)},
		{"process name,process file name,exe name", first(schema.FProcessName)}, {"process path,image path,process image,process image path,process executable,exe path,image", by(setImage)}, {"command line,cmd line,cmdline,process command line,process cmdline,process cmd", first(schema.FProcessCommandLine)}, {"process id,pid", first(schema.FProcessPid)},
		{"parent process name,parent name", first(schema.FProcessParentName)}, {"parent process path,parent image,parent image path", by(setParent)}, {"parent command line,parent process command line,parent cmdline", first(schema.FProcessParentCommandLine)},
		{"file name,filename", first(schema.FFileName)}, {"file path,filepath,object path,target filename", by(setFile)}, {"sha256,file sha256,file hash sha256,sha256 hash", first(schema.FFileHashSha256)}, {"md5,file md5,md5 hash", first(schema.FFileHashMd5)}, {"sha1,file sha1,sha1 hash", first(schema.FFileHashSha1)}, {"file size", first(schema.FFileSize)},
		{"url,request url,request uri,uri,full url", by(webAddress)}, {"http method,request method,method,client request method", first(schema.FHttpRequestMethod)}, {"status code,http status,http status code,response code,response status,edge response status", first(schema.FHttpResponseStatusCode)}, {"referer,referrer", first(schema.FHttpRequestReferrer)},
		{"user agent,useragent,raw user agent,browser user agent", first(schema.FUserAgentOriginal)}, {"query name,dns query,question name", first(schema.FDnsQuestionName)}, {"query type,question type", first(schema.FDnsQuestionType)},
		{"event name,event action,operation name,operation,activity,activity type,action,action type,action taken,event type,type name", first(schema.FEventAction)}, {"outcome,result,result status,event outcome,login status", by(weakOutcome)}, {"event code,event id,message id,signature id,code", first(schema.FEventCode)},
		{"severity,severity level,log level,loglevel,level,risk level", first(schema.FLogLevel)}, {"description,details,display message,event message,summary", first(schema.FMessage)}, {"reason,failure reason,status reason", first(schema.FEventReason)},
		{"rule name,rule,alert name,alert title,signature,threat name,detection name,title,policy name,malware name", first(schema.FRuleName)}, {"rule id,policy id", first(schema.FRuleID)}, {"category,alert category", first(schema.FRuleCategory)},
		{"protocol,proto,transport,transport protocol,ip protocol", by(anyProtocol)}, {"application protocol,app protocol,service", by(lowered(schema.FNetworkProtocol))}, {"direction,network direction,flow direction", by(setDirection)}, {"bytes sent,sent bytes,bytes out,src bytes,source bytes,request bytes", first(schema.FSourceBytes)}, {"bytes received,received bytes,bytes in,dst bytes,dest bytes,response bytes", first(schema.FDestinationBytes)},
		{"session id", first(schema.FSessionID)}, {"subject,email subject,message subject", first(schema.FEmailSubject)}, {"sender,from address,sender address,envelope from,mail from", first(schema.FEmailFromAddress)}, {"recipient,recipients,to address,recipient address,rcpt to", field(schema.FEmailToAddress)},
		{"account id,tenant id,customer id,subscription id", first(schema.FCloudAccountID)}, {"region", first(schema.FCloudRegion)}, {"country code,country", by(func(e *schema.Event, v string) {
			if len(v) == 2 {
				e.SetStr(schema.FSourceGeoCountryIsoCode, v)
			}
		})}, {"error code", first(schema.FErrorCode)}, {"error message", first(schema.FErrorMessage)},
	}
}

func plainUser(e *schema.Event, v string) {
	if v == "-" || e.Has(schema.FUserName) {
		return
	}
	if strings.Contains(v, "@") {
		mailbox(true)(e, v)
		return
	}
	accountName(e, v)
}

func userMail(e *schema.Event, v string) {
	if e.Has(schema.FUserEmail) {
		return
	}
	e.SetStr(schema.FUserEmail, v)
	if _, domain, ok := strings.Cut(v, "@"); ok && !e.Has(schema.FUserDomain) {
		e.SetStr(schema.FUserDomain, domain)
	}
}

func hostIP(e *schema.Event, v string) {
	if looksLikeIP(v) {
		e.Set(schema.FHostIP, v)
	}
}

func weakOutcome(e *schema.Event, v string) {
	if o := outcomeOf(v); o != "" && !e.Has(schema.FEventOutcome) {
		e.SetStr(schema.FEventOutcome, o)
	}
}

// anyProtocol tells transports from the protocols above them.
func anyProtocol(e *schema.Event, v string) {
	switch strings.ToLower(v) {
	case "tcp", "udp", "icmp", "igmp", "gre", "esp", "sctp", "1", "6", "17", "47", "58":
		setProto(e, v)
	default:
		lowered(schema.FNetworkProtocol)(e, v)
	}
}

// addAliases adds the names in the styles source_ip, sourceIp, SourceIP, source-ip and
// the like. Rows that are there stay.
func addAliases(t table, zone *time.Location) {
	for _, a := range aliases(zone) {
		for name := range strings.SplitSeq(a.names, ",") {
			for _, key := range styles(name) {
				if _, ok := t[key]; !ok {
					t[key] = a.to
				}
			}
		}
	}
}

// aliasTree is the key tree of ECS names, with the aliases at the top of a document and
// one level below.
func aliasTree(zone *time.Location) *node {
	root, names := genericTable(zone).tree(), table{}
	addAliases(names, zone)
	known := names.tree()
	root.lend(known)
	root.down("event").lend(known)
	root.down("*").kids = known.kids
	return root
}

// lend gives n the targets of another node's keys, where it has none of its own.
func (n *node) lend(from *node) {
	for key, kid := range from.kids {
		switch own := n.kids[key]; {
		case own == nil:
			n.kids[key] = kid
		case own.to == nil:
			own.to = kid.to
		}
	}
}

// styles writes the words of a name as products do.
func styles(name string) []string {
	words := strings.Fields(name)
	pascal, camel, acronyms := "", "", ""
	for i, w := range words {
		title := strings.ToUpper(w[:1]) + w[1:]
		pascal += title
		switch {
		case i == 0:
			camel = w
		default:
			camel += title
		}
		switch w {
		case "ip", "id", "url", "uri", "dns", "http", "sha256", "md5", "sha1":
			title = strings.ToUpper(w)
		}
		acronyms += title
	}
	half := words[0] + acronyms[len(words[0]):] // sourceIP
	snake := strings.Join(words, "_")
	if len(words) == 1 {
		return []string{snake, pascal, acronyms, strings.ToUpper(snake)}
	}
	return []string{snake, camel, pascal, acronyms, half, strings.Join(words, "-"), strings.ToUpper(snake), strings.Join(words, ""), strings.Join(words, " ")}
}
