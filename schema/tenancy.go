package schema

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
)

var (
	createTable = regexp.MustCompile(`(?s)CREATE TABLE IF NOT EXISTS (?:vigil\.)?(\w+)\n\((.*?)\n\)`)
	orgColumn   = regexp.MustCompile(`(?m)^\s*org `)
)

// OrgTables are the tables that people may query, each with the column org: all that the
// migrations make in the queryable database, but for what has no rows of orgs, and where the
// events of inline tests are. Row policies and grants follow this list, so that a table that is
// missing here can be read by nobody.
func OrgTables() []string {
	out := []string{"rule_test_events"}
	names, err := fs.Glob(Migrations, "clickhouse/*.sql")
	if err != nil {
		panic(err) // the pattern is ours
	}
	for _, name := range names {
		text, err := fs.ReadFile(Migrations, name)
		if err != nil {
			panic(fmt.Sprintf("the embedded migration %s cannot be read: %v", name, err))
		}
		for _, m := range createTable.FindAllSubmatch(text, -1) {
			if orgColumn.Match(m[2]) {
				out = append(out, string(m[1]))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Names of orgs stand in ids between slashes and hyphens, and in names of users of the engine.
var orgName = regexp.MustCompile(`^[a-z][a-z0-9]{1,30}$`)

// CheckOrgName refuses what no org can be named.
func CheckOrgName(name string) error {
	if !orgName.MatchString(name) {
		return E(Invalid, fmt.Sprintf("an org cannot be named %q", name), "2 to 31 small letters and digits, a letter first")
	}
	return nil
}

// AnalystOf names the user of the engine who runs what people of an org type.
func AnalystOf(prefix, org string) string { return prefix + "_" + org }
