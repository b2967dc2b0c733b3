package vigil_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ring says what one of our packages (and everything below it) may import of ours.
type ring struct {
	pkg string
	may []string // ours, by longest-prefix match; "*" allows everything
}

// rings is docs/ARCHITECTURE.md's table. The longest matching prefix decides;
// a package without a row fails the test.
var rings = []ring{
	{"schema", nil},
	{"schema/flow", []string{"schema"}},
	{"internal/secret", nil},
	{"internal/localca", nil},
	{"internal/testdata", nil},
	{"internal/testdata/sigmahq", []string{"internal/testdata", "rules"}},
	{"internal/telemetry", nil},
	{"internal/gather", nil},
	{"internal/expr", []string{"schema"}},
	{"internal/parser", []string{"schema", "internal/expr", "internal/ocsf", "internal/document"}},
	{"internal/spool", []string{"schema"}},
	{"internal/parser/evtx", nil}, // event logs cannot be cut into records without decoding them
	{"internal/document", []string{"schema"}},
	{"internal/source", []string{"schema", "internal/secret", "internal/parser/evtx", "internal/spool"}},
	{"internal/source/pull", []string{"schema", "internal/secret", "internal/document"}},
	{"internal/enrich", []string{"schema", "internal/intel", "internal/ml", "internal/tables"}},
	{"internal/tables", []string{"schema"}},
	{"internal/alert", []string{"schema"}},
	{"internal/audit", []string{"schema", "internal/gather"}},
	{"internal/approval", []string{"schema", "internal/expr", "internal/auth/perm"}},
	{"internal/auth", []string{"schema", "internal/secret", "internal/auth/perm", "internal/expr"}},
	{"internal/auth/perm", nil},
	{"internal/intel", []string{"schema", "internal/secret"}},
	{"internal/ml", []string{"schema"}},
	{"internal/posture", []string{"schema", "internal/document"}},
	{"internal/ocsf", []string{"schema"}},
	{"internal/playbook", []string{"schema", "internal/document", "internal/expr"}},
	{"internal/dashboard", []string{"schema", "internal/document"}},
	{"internal/dashboard/library", nil},
	{"internal/dashboard/mail", []string{"schema", "internal/export"}},
	{"internal/export", []string{"schema"}},
	{"internal/report", []string{"schema"}},
	{"internal/action", []string{"schema", "internal/secret"}},
	{"internal/live", []string{"schema"}},
	{"internal/bench", []string{"schema", "internal/source", "internal/parser"}},
	{"internal/bench/triage", []string{"schema", "internal/alert", "internal/testdata"}},
	{"internal/play", []string{"schema", "internal/source", "internal/pipeline", "internal/enrich", "internal/alert", "rules"}},
	{"internal/bench/detect", []string{"schema", "internal/source", "internal/play", "internal/alert", "internal/posture", "rules"}},
	{"internal/config", []string{"internal/secret"}},
	{"internal/standalone", []string{"schema", "schema/flow", "internal/secret"}},
	{"rules", []string{"schema", "internal/document", "internal/expr"}},
	{"rules/library", nil},
	{"rules/samples", []string{"schema"}},
	{"rules/tune", []string{"schema", "rules"}},
	{"rules/chsql", []string{"schema", "internal/expr", "rules"}},
	{"rules/correlate", []string{"schema", "rules"}},
	{"rules/sigma", []string{"schema", "internal/document", "internal/expr", "rules"}},
	{"internal/pipeline", []string{"schema", "internal/source", "internal/parser", "internal/enrich", "rules"}},
	{"internal/store", []string{"schema", "internal/secret", "internal/gather"}},
	{"activities", []string{"schema", "internal", "rules"}},
	{"workflows", []string{"schema", "activities", "internal/alert", "internal/playbook", "internal/auth", "internal/approval"}},
	{"worker", []string{"schema", "activities", "workflows", "internal/secret"}},
	{"server", []string{"schema", "internal/document", "internal/store", "internal/live", "internal/auth", "internal/approval", "internal/audit", "internal/secret",
		"rules", "internal/alert", "internal/playbook", "internal/spool", "internal/dashboard", "internal/export", "internal/report", "internal/tables", "internal/ocsf", "server/ui"}},
	{"server/ui", nil},
	{"cmd", []string{"*"}},
	{"integration", []string{"*"}},
}

// never lists what a package may not import although its row would allow it.
var never = map[string][]string{
	"activities": {"internal/config", "internal/standalone", "internal/live"},
	"workflows":  {"internal/store"},
}

// onlyHome lists outside modules that exactly one place of ours may import.
var onlyHome = map[string][]string{
	"github.com/google/cel-go":              {"internal/expr"},
	"github.com/ClickHouse/clickhouse-go":   {"internal/store", "internal/standalone"},
	"github.com/ClickHouse/ch-go":           {"internal/store"},
	"github.com/gorilla/websocket":          {"server", "cmd"}, // cmd: the clients of vigil bench live
	"go.temporal.io/server":                 {"internal/standalone"},
	"github.com/temporalio/ui-server":       {"internal/standalone"},
	"github.com/ebitengine/purego":          {"internal/standalone"},
	"github.com/testcontainers":             {"integration"},
	"github.com/spf13/cobra":                {"cmd"},
	"github.com/prometheus/client_golang":   {"internal/telemetry", "server"},
	"github.com/danielgtaylor/huma":         {"server"},
	"go.temporal.io/sdk":                    {"workflows", "activities", "worker", "server", "cmd", "integration", "internal/standalone"},
	"golang.org/x/crypto":                   {"internal/auth", "internal/action"},
	"github.com/wneessen/go-mail":           {"internal/action"},
	"golang.org/x/oauth2":                   {"internal/source", "internal/auth/oidc"},
	"github.com/fsnotify/fsnotify":          {"internal/source"},
	"google.golang.org/grpc":                {"server/receive", "cmd"}, // cmd: a client, for benchmarks
	"github.com/oschwald/maxminddb-golang":  {"internal/tables"},
	"github.com/mileusna/useragent":         {"internal/enrich"},
	"golang.org/x/net/publicsuffix":         {"internal/enrich", "internal/intel"},
	"github.com/santhosh-tekuri/jsonschema": {"internal/playbook"},
	"github.com/go-webauthn":                {"internal/auth/passkey"},
	"github.com/coreos/go-oidc":             {"internal/auth/oidc"},
	"github.com/twmb/franz-go":              {"internal/source/kafka"},
	"github.com/aws":                        {"internal/source/objects"},
	"github.com/parquet-go":                 {"internal/source", "internal/export"},
}

// forbidden lists standard packages that a ring must not touch.
var forbidden = map[string][]string{
	"workflows":            {"net/http", "os", "sync", "math/rand", "math/rand/v2", "log/slog", "database/sql", "crypto/rand"},
	"schema":               {"net/http", "os", "net", "math/rand", "database/sql"},
	"internal/parser":      {"net/http", "os", "net", "sync"},
	"internal/parser/evtx": {"net/http", "os", "net", "sync"},
	"internal/alert":       {"net/http", "os", "net"},
	"internal/approval":    {"net/http", "os", "net", "sync", "math/rand"},
	"internal/audit":       {"net/http", "net", "database/sql"},
	"internal/playbook":    {"net/http", "os", "net"},
	"internal/dashboard":   {"net/http", "os", "net"},
	"internal/export":      {"net/http", "os", "net"},
	"internal/report":      {"net/http", "os", "net"},
	"internal/posture":     {"net/http", "os", "net"},
	"rules":                {"net/http", "net", "os"},
	"internal/ml":          {"net/http", "net"},
	"internal/enrich":      {"net/http"},
	"internal/tables":      {"net/http", "os"},
	"internal/ocsf":        {"net/http", "os", "net"},
	"rules/correlate":      {"net/http", "os", "net"},
}

func under(pkg, prefix string) bool { return pkg == prefix || strings.HasPrefix(pkg, prefix+"/") }

func anyUnder(pkg string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return p == "*" || under(pkg, p) })
}

func ringOf(pkg string) (ring, bool) {
	best, ok := ring{}, false
	for _, r := range rings {
		if under(pkg, r.pkg) && len(r.pkg) >= len(best.pkg) {
			best, ok = r, true
		}
	}
	return best, ok
}

// TestRings parses every Go file's imports and holds them to the tables above.
func TestRings(t *testing.T) {
	files := 0
	err := fs.WalkDir(os.DirFS("."), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); n == "node_modules" || n == "testdata" || n == ".git" || n == "bin" || n == "artifacts" || n == "vigil-data" {
				return fs.SkipDir
			}
			return nil
		}
		pkg := path.Dir(p)
		if !strings.HasSuffix(p, ".go") || pkg == "." {
			return nil
		}
		files++
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range f.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			checkImport(t, p, pkg, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Fatalf("only %d Go files seen: the walk is broken", files)
	}
}

func checkImport(t *testing.T, file, pkg, name string) {
	r, ok := ringOf(pkg)
	if !ok {
		t.Errorf("%s: package %s has no row in the rings table", file, pkg)
		return
	}
	test := strings.HasSuffix(file, "_test.go")
	if ours, isOurs := strings.CutPrefix(name, "vigil/"); isOurs {
		self := under(ours, r.pkg)
		testOnly := test && (under(ours, "internal/testdata") || r.pkg != "schema" && !strings.HasPrefix(ours, "internal/standalone") || under(ours, r.pkg))
		if !self && !anyUnder(ours, r.may) && !testOnly {
			t.Errorf("%s: %s may not import %s", file, r.pkg, ours)
		}
		if slices.ContainsFunc(never[r.pkg], func(n string) bool { return under(ours, n) }) && !test {
			t.Errorf("%s: %s must never import %s", file, r.pkg, ours)
		}
		return
	}
	for mod, homes := range onlyHome {
		if under(name, mod) && !anyUnder(pkg, homes) && !test {
			t.Errorf("%s: only %v may import %s", file, homes, mod)
		}
	}
	for _, std := range forbidden[r.pkg] {
		if name == std && !test {
			t.Errorf("%s: %s must not import %s", file, r.pkg, std)
		}
	}
}
