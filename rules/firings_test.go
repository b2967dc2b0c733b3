package rules_test

// firings is the table of TestRecordings. Sysmon and the Security log both record
// a process start, hence the even counts of process rules.
func firings() []firing {
	const (
		trail  = "cloud/cloudtrail-stratus-2023-07-10.jsonl.gz"
		cred   = mordor + "credential_access/"
		evade  = mordor + "defense_evasion/"
		move   = mordor + "lateral_movement/"
		stay   = mordor + "persistence/"
		vbs    = mordor + "execution/empire_launcher_vbs.jsonl.zst"
		dcsync = cred + "empire_dcsync_dcerpc_drsuapi_DsGetNCChanges.jsonl.zst"
		adduse = evade + "empire_wmic_add_user_backdoor.jsonl.zst"
		aptsim = mordor + "other/aptsimulator_cobaltstrike.jsonl.zst"
		schtas = move + "schtask_create.jsonl.zst"
		netses = mordor + "discovery/empire_getsession_dcerpc_smb_srvsvc_NetSessEnum.jsonl.zst"
		uac    = mordor + "privilege_escalation/empire_uac_shellapi_fodhelper.jsonl.zst"
		first  = "suricata/first-org-conf-2015.alerts.jsonl.gz"
		honey  = "suricata/honeypot-2018.alerts.jsonl.gz"
		mixed  = "suricata/slips-mixed-eve.jsonl.gz"
		ids17  = "suricata/wrccdc-2017.alerts.jsonl.gz"
		auth   = "linux/auth.log.gz"
		ssh    = "loghub-2k/OpenSSH.zip!OpenSSH_2k.log"
		scan   = "web/scan-acunetix.log.gz"
		web    = "web/apache-combined.log.gz"
		slips  = "zeek/slips-samples.zip!"
		wrccdc = "zeek/wrccdc-2018/json/"
	)
	return []firing{
		{"aws-trail-stopped", trail, 2, ""}, {"aws-trail-narrowed", trail, 1, ""}, {"aws-snapshot-shared", trail, 3, ""},
		{"aws-security-group-opened", trail, 1, ""}, {"aws-console-login-without-mfa", trail, 1, ""}, {"aws-login-profile-created", trail, 2, ""},
		{"aws-admin-policy-attached", trail, 2, ""}, {"aws-secrets-read-in-bulk", trail, 2, ""}, {"aws-denied-calls-burst", trail, 3, ""},

		{"entra-mail-permission-granted", "cloud/o365-unified-audit.jsonl.zst", 82, auth}, {"entra-application-secret-added", "cloud/o365-unified-audit.jsonl.zst", 20, auth},

		{"linux-ssh-brute-force", auth, 16, ""}, {"linux-ssh-user-spray", auth, 4, ""}, {"linux-ssh-attempts-exceeded-root", auth, 114, ssh},
		{"linux-ssh-protocol-probe", auth, 32, ""}, {"linux-sudo-root-shell", auth, 9, ssh}, {"linux-account-created", auth, 10, ssh},
		{"linux-account-created-then-login", auth, 1, ssh}, {"linux-ssh-login-new-address", auth, 2, ssh},

		{"suricata-malware-signature", first, 25, honey}, {"suricata-web-attack", first, 38, honey}, {"suricata-admin-privilege-gain", first, 8, honey},
		{"suricata-database-probe", honey, 4, first}, {"suricata-many-signatures-one-source", first, 3, mixed}, {"suricata-scan-tool", first, 2, mixed},
		{"suricata-web-attack", mixed, 1, ids17},

		{"web-path-traversal", scan, 119, web}, {"web-sql-injection", scan, 71, web}, {"web-cross-site-scripting", scan, 79, web},
		{"web-scanner-request", scan, 146, web}, {"web-login-page-probed", web, 45, "volume/zeek-http.jsonl.zst"}, {"web-many-missing-pages", scan, 3, web},

		{"win-powershell-encoded-command", vbs, 2, schtas}, {"win-script-host-starts-shell", vbs, 2, uac},
		{"win-regsvr32-remote-scriptlet", evade + "empire_launcher_sct_regsvr32.jsonl.zst", 2, vbs},
		{"win-cmstp-profile-install", evade + "psh_cmstp_execution_bypassuac.jsonl.zst", 2, vbs},
		{"win-installutil-hidden-log", evade + "covenant_installutil.jsonl.zst", 2, vbs},
		{"win-wuauclt-loads-library", evade + "covenant_lolbin_wuauclt_createremotethread.jsonl.zst", 2, vbs},
		{"win-wmic-remote-process", adduse, 2, vbs}, {"win-wmi-provider-spawns-tool", move + "covenant_com_wsman_automation.jsonl.zst", 2, vbs},
		{"win-bitsadmin-transfer", evade + "cmd_bitsadmin_download_psh_script.jsonl.zst", 2, vbs},
		{"win-netsh-inbound-allow", evade + "cmd_netsh_fw_mod_open_ports.jsonl.zst", 2, vbs}, {"win-account-added-by-command", adduse, 4, vbs},
		{"win-schtasks-remote-system", schtas, 2, vbs}, {"win-service-echo-to-pipe", aptsim, 2, vbs},

		{"win-lsass-dump-access", cred + "cmd_lsass_memory_dumpert_syscalls.jsonl.zst", 2, vbs},
		{"win-comsvcs-minidump", cred + "psh_lsass_memory_dump_comsvcs.jsonl.zst", 2, vbs}, {"win-lsass-dump-command", cred + "psh_lsass_memory_dump_comsvcs.jsonl.zst", 2, vbs},
		{"win-lsass-dump-file", cred + "cmd_lsass_memory_dumpert_syscalls.jsonl.zst", 1, vbs},
		{"win-remote-thread-loads-library", evade + "empire_dllinjection_LoadLibrary_CreateRemoteThread.jsonl.zst", 1, schtas},
		{"win-sam-hive-saved", cred + "empire_shell_reg_dump_sam.jsonl.zst", 2, vbs},
		{"win-credential-theft-command", move + "mimikatz_CVE-2020-1472_Unauthenticated_NetrServerAuthenticate2.jsonl.zst", 4, vbs},

		{"win-ps-download-cradle", vbs, 20, netses}, {"win-ps-logging-disabled", vbs, 1, netses}, {"win-ps-credential-theft", dcsync, 2, vbs},
		{"win-ps-session-enumeration", netses, 4, vbs}, {"win-ps-native-injection", dcsync, 9, vbs},
		{"win-ps-base64-executed", stay + "empire_schtasks_creation_standard_user.jsonl.zst", 2, netses},
		{"win-ps-event-log-service-disabled", evade + "psh_disable_eventlog_service_startuptype_modification.jsonl.zst", 3, vbs},

		{"win-run-key-interpreter", stay + "empire_persistence_registry_modification_run_keys_elevated_user.jsonl.zst", 1, vbs},
		{"win-event-log-disabled-by-registry", evade + "reg_disable_eventlog_service_startuptype_modification_via_registry.jsonl.zst", 1, vbs},
		{"win-minint-key-created", evade + "reg_stop_event_logging_controlset001_minint_key.jsonl.zst", 1, vbs},
		{"win-logon-script-in-environment", stay + "cmd_userinitmprlogonscript_batch.jsonl.zst", 1, vbs}, {"win-uac-bypass-ms-settings", uac, 2, vbs},
		{"win-service-image-shell", aptsim, 1, vbs}, {"win-ntlm-downgrade", evade + "empire_monologue_netntlm_downgrade.jsonl.zst", 6, vbs},
		{"win-startup-folder-script", stay + "covenant_persiststartup.jsonl.zst", 1, vbs}, {"win-wmi-consumer-interpreter", stay + "covenant_persistwmi.jsonl.zst", 1, vbs},

		{"win-directory-replication-by-user", dcsync, 3, evade + "empire_dllinjection_LoadLibrary_CreateRemoteThread.jsonl.zst"}, // where a controller replicates
		{"win-service-installed-shell", aptsim, 2, move + "covenant_sharpsc_create_dcerpc_smb_svcctl.jsonl.zst"},                 // where a service is an ordinary program
		{"win-task-hidden-in-system-folder", schtas, 1, move + "covenant_dcom_executeexcel4macro_allowed.jsonl.zst"},             // where OneDrive makes its task
		{"win-remote-service-control", move + "covenant_sc_query_dcerpc_smb_svcctl.jsonl.zst", 1, vbs},
		{"win-program-over-admin-share", aptsim, 8, netses}, {"win-session-enumeration-pipe", netses, 1, vbs},

		{"zeek-horizontal-scan", slips + "port-scans/horizontal/conn.log", 1, slips + "test9-mixed-zeek-dir/conn.log"},
		{"zeek-conn-anomaly", slips + "port-scans/horizontal/conn.log", 1, ""}, {"intel-indicator-seen", slips + "port-scans/horizontal/conn.log", 1, ""},
		{"zeek-dns-any-query", wrccdc + "dns.json.zst", 65, slips + "test10-mixed-zeek-dir/dns.log"},
		{"zeek-http-program-from-bare-address", slips + "test14-malicious-zeek-dir/http.log", 2, ""},
		{"zeek-webdav-upload", "zeek/apt29-day1.zip!SCRANTON/http.log", 12, ""},
		{"zeek-tls-self-signed-old", wrccdc + "ssl.json.zst", 36, slips + "test9-mixed-zeek-dir/ssl.log"},
		{"zeek-remote-service-created", wrccdc + "dce_rpc.json.zst", 9, ""}, {"zeek-remote-task-registered", wrccdc + "dce_rpc.json.zst", 6, ""},
		{"zeek-rdp-scanner-cookie", wrccdc + "rdp.json.zst", 19, "zeek/ocsf-raw-zeek.zip!Zeek/rdp.log"},
		{"zeek-scan-notice", slips + "test10-mixed-zeek-dir/notice.log", 12, ""},
	}
}
