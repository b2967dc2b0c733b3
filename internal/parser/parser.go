package parser

import (
	"errors"
	"time"

	"vigil/schema"
)

// What Parse returns for records that are no events and no failures.
var (
	ErrHeader = errors.New("the record is a header") // it was taken in; feed it again when resuming behind it
	ErrSkip   = errors.New("the record is blank or a comment")
)

// Options are what a parser needs to know beside the record. They are fixed per
// plan, so that a retry makes the same events.
type Options struct {
	Object   string         // name of the object; Zeek JSON takes its kind from it
	BaseYear int            // of timestamps without a year; the year in which the log ends
	BaseTime time.Time      // upper bound for year-less timestamps; zero: none
	Zone     *time.Location // of timestamps without a zone; nil: UTC
}

func (o Options) zone() *time.Location {
	if o.Zone == nil {
		return time.UTC
	}
	return o.Zone
}

// Parser parses the records of one object in order. It is not safe for concurrent use.
type Parser interface {
	// Parse fills e, which has been Reset with raw. It returns ErrHeader or ErrSkip for
	// records that carry no event, and another error, saying why, for a record it
	// cannot take. Values on e point into raw.
	Parse(raw []byte, e *schema.Event) error
}

// Format is one row of the format table.
type Format struct {
	Name string // as in --format and Chunk.Format
	Doc  string // one sentence for help texts
	// Detect says how sure the first records look like this format, 0–100, and why.
	Detect func(sample []byte, object string) (int, string)
	// New makes a parser for one object.
	New func(Options) Parser
}

// Formats is the table of formats, most specific first.
func Formats() []Format { return formats }

var formats = func() []Format {
	list := []Format{
		{"windows", "Windows events, Sysmon and PowerShell: event logs (.evtx), and JSON as NXLog, evtx_dump, Winlogbeat and Azure Diagnostics write it", detectWindows, newWindows},
		{"windows-xml", "Windows events as XML, one by one or in an Events element", detectWindowsXML, newWindowsXML},
		{"suricata", "Suricata EVE JSON", detectSuricata, newSuricata},
		{"cloudtrail", "AWS CloudTrail records", detectCloudTrail, newCloudTrail},
		{"guardduty", "AWS GuardDuty findings", detectGuardDuty, newGuardDuty},
		{"vpcflow", "AWS VPC flow logs, as text or JSON", detectVPCFlow, newVPCFlow},
		{"o365", "Office 365 management activity (unified audit log)", detectO365, newO365},
		{"azure", "Azure activity, sign-in, audit and resource logs, and Microsoft Defender hunting tables", detectAzure, newAzure},
		{"gcp", "Google Cloud audit, VPC flow and load balancer logs", detectGCP, newGCP},
		{"workspace", "Google Workspace activity reports", detectWorkspace, newWorkspace},
		{"okta", "Okta system log", detectOkta, newOkta},
		{"github", "GitHub audit log", detectGitHub, newGitHub},
		{"kubernetes", "Kubernetes API server audit log", detectKubernetes, newKubernetes},
		{"zeek-json", "Zeek logs as JSON lines", detectZeekJSON, newZeekJSON},
		{"zeek-tsv", "Zeek logs as tab-separated values with header", detectZeekTSV, newZeekTSV},
		{"cef", "Common Event Format, with or without a syslog header", detectCEF, newCEF},
		{"leef", "Log Event Extended Format 1 and 2, with or without a syslog header", detectLEEF, newLEEF},
		{"auditd", "the log of the Linux audit daemon", detectAuditd, newAuditd},
		{"cisco", "messages of Cisco ASA, Firepower, IOS and NX-OS", detectCisco, newCisco},
		{"w3c", "W3C extended logs of IIS and proxies, IIS also without its header", detectW3C, newW3C},
		{"kv", "key=value pairs of firewalls and loggers (Fortinet, Sophos, SonicWall, Stormshield, logfmt)", detectKV, newKV},
		{"syslog", "syslog lines (RFC 3164, RFC 5424 and ISO time), with sshd, sudo, su, useradd, CRON and logind understood", detectSyslog, newSyslog},
		{"hec", "events in the envelope of Splunk's HTTP Event Collector", detectHEC, newHEC},
		{"access", "web access logs in the combined or common format, and Apache's TLS request log", detectAccess, newAccess},
		{"weberror", "error logs of Apache and NGINX", detectWebError, newWebError},
		{"elb", "access logs of AWS application and classic load balancers", detectELB, newELB},
		{"panos", "Palo Alto PAN-OS and Prisma logs as comma-separated values, with or without a syslog header", detectPANOS, newPANOS},
		{"panos-json", "Palo Alto Strata Logging Service (Cortex Data Lake) logs as JSON", detectPANOSJSON, newPANOSJSON},
		{"route53", "AWS Route 53 resolver query logs", detectRoute53, newRoute53},
		{"aws-waf", "AWS WAF logs", detectAWSWAF, newAWSWAF},
		{"securityhub", "AWS Security Hub findings (ASFF)", detectSecurityHub, newSecurityHub},
		{"messagetrace", "Exchange Online message trace", detectMessageTrace, newMessageTrace},
		{"osquery", "osquery results, differential and snapshot", detectOsquery, newOsquery},
		{"netflow", "flows of Argus and nfdump as CSV or TSV, and of NetFlow collectors as JSON", detectNetFlow, newNetFlow},
		{"checkpoint", "Check Point Log Exporter lines in the syslog and Splunk layouts", detectCheckPoint, newCheckPoint},
		{"json", "any JSON objects, one a line; ECS names go to their fields", detectJSON, newJSON},
		{"csv", "comma-separated values with a header line that names the columns", detectCSV, newCSV},
		{"text", "any lines of text, kept as message", detectText, newText},
	}
	for i := range list {
		bare := list[i].New
		list[i].New = func(o Options) Parser { return Classified(bare(o)) }
	}
	return list
}()

// ByName returns the built-in format of that name.
func ByName(name string) (Format, error) { return Set(Formats()).ByName(name) }

// Detect chooses the built-in format of an object by its first bytes, and says why. An
// error means that no format wants it.
func Detect(sample []byte, object string) (Format, string, error) {
	return Set(Formats()).Detect(sample, object)
}
