//go:build !slim

package temporal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"
)

const clusterName = "active"

// innerHost is where the services that know no tokens listen, whatever the frontend does.
const innerHost = "127.0.0.1"

// dialHost is the address at which a frontend listening on host answers this process.
func dialHost(host string) string {
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return innerHost
	}
	return host
}

// serverConfig is the configuration of a one-process server.
func serverConfig(o Options, st *stores, p ports) *config.Config {
	var c config.Config
	at := func(port int) string { return net.JoinHostPort(dialHost(o.Host), strconv.Itoa(port)) }
	c.Global.Membership.MaxJoinDuration = 30 * time.Second
	c.Global.Membership.BroadcastAddress = dialHost(o.Host)
	c.Persistence = config.Persistence{DefaultStore: "main", VisibilityStore: "visibility", NumHistoryShards: st.shards,
		DataStores: map[string]config.DataStore{"main": {SQL: st.main}, "visibility": {SQL: st.visibility}}}
	c.ClusterMetadata = &cluster.Config{FailoverVersionIncrement: 10, MasterClusterName: clusterName, CurrentClusterName: clusterName,
		ClusterInformation: map[string]cluster.ClusterInformation{clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: at(p.frontend)}}}
	c.DCRedirectionPolicy.Policy = "noop"
	service := func(port int) config.Service {
		return config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: innerHost}}
	}
	frontend := config.Service{RPC: config.RPC{GRPCPort: p.frontend, BindOnIP: o.Host}}
	c.Services = map[string]config.Service{"frontend": frontend, "history": service(p.history),
		"matching": service(p.matching), "worker": service(p.worker)}
	if o.NoAuth {
		c.PublicClient.HostPort = at(p.frontend)
	} else {
		c.Services["internal-frontend"] = service(p.internal)
	}
	for _, a := range []*string{&c.Archival.History.State, &c.Archival.Visibility.State,
		&c.NamespaceDefaults.Archival.History.State, &c.NamespaceDefaults.Archival.Visibility.State} {
		*a = "disabled"
	}
	return &c
}

// openSQLite makes the database when there is none, and its namespace. WAL with
// synchronous=2: an answered approval survives a power loss.
func openSQLite(ctx context.Context, path string, o Options) (*config.SQL, error) {
	c := &config.SQL{PluginName: sqliteplugin.PluginName, DatabaseName: path, MaxConns: 1, MaxIdleConns: 1,
		ConnectAttributes: map[string]string{"mode": "rwc", "journal_mode": "wal", "synchronous": "2", "busy_timeout": "10000"}}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := sqlite.SetupSchema(c); err != nil {
			return nil, fmt.Errorf("making the database: %w", err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			return nil, err
		}
		if err := stamp(ctx, path); err != nil {
			return nil, fmt.Errorf("stamping the database: %w", err)
		}
	}
	ns, err := sqlite.NewNamespaceConfig(clusterName, o.Namespace, false, attributes(o.SearchAttributes))
	if err != nil {
		return nil, err
	}
	ns.Detail.Config.Retention = durationpb.New(o.Retention)
	if err := sqlite.CreateNamespaces(c, ns); err != nil {
		return nil, fmt.Errorf("making the namespace %s: %w", o.Namespace, err)
	}
	return c, nil
}

func attributes(in map[string]string) map[string]enumspb.IndexedValueType {
	out := make(map[string]enumspb.IndexedValueType, len(in))
	for name, kind := range in {
		t, err := enumspb.IndexedValueTypeFromString(kind)
		if err == nil {
			out[name] = t
		}
	}
	return out
}
