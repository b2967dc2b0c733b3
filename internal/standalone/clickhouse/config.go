package clickhouse

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"vigil/internal/secret"
	"vigil/schema"
)

// The engine's users. The local session of the library always runs as `default`
// without a password; its profile allows one session, and that session takes the
// slot before the listeners open, so nobody else can be `default`.
const (
	appUser     = "vigil"
	analystUser = "analyst"
)

const configXML = `<clickhouse>
<logger><log>%[1]s/engine.log</log><errorlog>%[1]s/engine.err.log</errorlog><size>20M</size><count>3</count></logger>
<users_config>%[1]s/users.xml</users_config>
%[2]s
<shutdown_wait_unfinished>2</shutdown_wait_unfinished>
<mark_cache_size>268435456</mark_cache_size>
<background_schedule_pool_size>16</background_schedule_pool_size>
<background_pool_size>4</background_pool_size>
<max_table_size_to_drop>0</max_table_size_to_drop>
<query_log><database>system</database><table>query_log</table><flush_interval_milliseconds>7500</flush_interval_milliseconds><ttl>event_date + INTERVAL 3 DAY</ttl></query_log>
<backups><allowed_path>%[1]s/backups/</allowed_path></backups>
</clickhouse>
`

// usersXML: the app user may do all within its databases; the analyst of an org is granted
// SELECT on the queryable tables only, because readonly alone would leave file(), url() and
// the overlay database open, and sees the rows of the org only.
const usersXML = `<clickhouse>
<profiles>
<default><max_query_size>4194304</max_query_size></default>
<boot><max_sessions_for_user>1</max_sessions_for_user></boot>
<analyst><readonly>2</readonly><max_execution_time>60</max_execution_time><max_memory_usage>2000000000</max_memory_usage>
<max_result_rows>100000</max_result_rows><result_overflow_mode>break</result_overflow_mode><max_query_size>4194304</max_query_size></analyst>
</profiles>
<quotas><default/></quotas>
<users>
<default><password></password><networks><ip>127.0.0.1</ip></networks><profile>boot</profile><quota>default</quota>
<grants><query>GRANT SYSTEM LISTEN, CREATE DATABASE, SELECT, dictGet ON *.*</query></grants></default>
<%[1]s><password_sha256_hex>%[2]s</password_sha256_hex><networks><ip>%[4]s</ip></networks><profile>default</profile><quota>default</quota>
<grants>%[5]s</grants></%[1]s>
%[3]s</users>
</clickhouse>
`

// analystXML is the analyst of an org.
const analystXML = `<%[1]s><password_sha256_hex>%[2]s</password_sha256_hex><networks><ip>%[3]s</ip></networks><profile>analyst</profile><quota>default</quota>
<grants>%[4]s</grants><databases><vigil>%[5]s</vigil></databases></%[1]s>
`

// appGrants is all that the product needs: its own databases, and reading what the
// engine says about itself. No FILE, URL or remote sources.
var appGrants = []string{
	"GRANT ALL ON vigil.*", "GRANT ALL ON vigil_private.*",
	"GRANT TABLE ENGINE ON MergeTree", "GRANT TABLE ENGINE ON ReplacingMergeTree", "GRANT TABLE ENGINE ON AggregatingMergeTree",
	"GRANT TABLE ENGINE ON Memory", "GRANT TABLE ENGINE ON Null",
	"GRANT SELECT ON system.*", "GRANT KILL QUERY ON *.*", "GRANT CREATE TEMPORARY TABLE ON *.*", "GRANT SYSTEM FLUSH LOGS, SYSTEM SYNC REPLICA ON *.*",
}

// writeConfig lays down the engine's files in dir and returns the argv of the child.
func (o *Options) writeConfig() error {
	memory := ""
	if o.MaxMemory > 0 {
		memory = fmt.Sprintf("<max_server_memory_usage>%d</max_server_memory_usage>", o.MaxMemory)
	}
	from := "127.0.0.1"
	if o.Host != "127.0.0.1" && o.Host != "localhost" {
		from = "::/0"
	}
	var grants strings.Builder
	for _, g := range appGrants {
		fmt.Fprintf(&grants, "<query>%s</query>", g)
	}
	user := o.User
	files := map[string]string{
		"config.xml": fmt.Sprintf(configXML, o.Dir, memory),
		"users.xml":  fmt.Sprintf(usersXML, user, sha(o.Password.Reveal()), o.analysts(from), from, grants.String()),
		"init.sql": fmt.Sprintf(`CREATE DATABASE IF NOT EXISTS vigil;
CREATE DATABASE IF NOT EXISTS vigil_private;
SYSTEM START LISTEN TCP;
SYSTEM START LISTEN HTTP;
SELECT getServerPort('tcp_port'), getServerPort('http_port') INTO OUTFILE '%s/ports' FORMAT TSV;
`, o.Dir),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(o.Dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if err := os.Remove(filepath.Join(o.Dir, "ports")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return o.persistSystem()
}

// analysts are the users of those who run what people of the orgs type.
func (o *Options) analysts(from string) string {
	var all strings.Builder
	for _, org := range o.Orgs {
		var grants, policies strings.Builder
		for _, t := range schema.OrgTables() {
			fmt.Fprintf(&grants, "<query>GRANT SELECT ON vigil.%s</query>", t)
			fmt.Fprintf(&policies, "<%[1]s><filter>org = '%[2]s'</filter></%[1]s>", t, org)
		}
		fmt.Fprintf(&all, analystXML, schema.AnalystOf(analystUser, org), sha(secret.Derive(o.analystPassword, org).Reveal()), from, grants.String(), policies.String())
	}
	return all.String()
}

// orgsFile keeps the orgs from one start to the next.
func (o *Options) orgsFile() string { return filepath.Join(o.Dir, "orgs") }

// loadOrgs adds the orgs of the last start.
func (o *Options) loadOrgs() error {
	b, err := os.ReadFile(o.orgsFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	o.Orgs = append(slices.Clone(o.Orgs), strings.Fields(string(b))...)
	if len(o.Orgs) == 0 {
		o.Orgs = []string{schema.DefaultOrg}
	}
	slices.Sort(o.Orgs)
	o.Orgs = slices.Compact(o.Orgs)
	for _, org := range o.Orgs {
		if !orgName.MatchString(org) {
			return schema.E(schema.Invalid, fmt.Sprintf("an org cannot be named %q", org), "small letters, digits, hyphen and underscore, a letter first")
		}
	}
	return nil
}

// orgName is what may stand in the engine's files.
var orgName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

// persistSystem makes `system` a real database: otherwise local mode keeps it in
// memory, and the query log fails on the second start.
func (o *Options) persistSystem() error {
	path := filepath.Join(o.Dir, "data", "metadata", "system.sql")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte("ATTACH DATABASE _ UUID '5ec0de00-0000-4000-8000-000000000001'\nENGINE = Atomic\n"), 0o600)
}

func (o *Options) argv() []string {
	in := func(name string) string { return filepath.Join(o.Dir, name) }
	return []string{
		"--config-file=" + in("config.xml"), "--path=" + in("data"), "--log-level=information",
		"--listen_host=" + o.Host, fmt.Sprintf("--tcp_port=%d", o.TCPPort), fmt.Sprintf("--http_port=%d", o.HTTPPort),
		// The second "file" is our end of a pipe: the engine waits on it without using
		// CPU, and ends when it closes, however the parent died.
		"--queries-file", in("init.sql"), "/dev/fd/0",
	}
}

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// persistentPassword reads a password of the engine's folder, or makes one.
func persistentPassword(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil && len(b) > 0 {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	p := rand.Text()
	return p, os.WriteFile(path, []byte(p+"\n"), 0o600)
}
