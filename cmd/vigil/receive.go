package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"vigil/internal/localca"
	"vigil/internal/source"
	"vigil/internal/spool"
	"vigil/internal/telemetry"
	"vigil/schema"
	"vigil/schema/flow"
	"vigil/server/receive"
)

// receiveOptions say where a process listens for events that are pushed to it.
type receiveOptions struct {
	http                    string // _bulk, HEC, OTLP/HTTP
	grpc                    string // OTLP/gRPC
	fixed, fixedGRPC        bool   // they were asked for: another port is no substitute
	syslog, syslogTLS       string
	cert, key               string
	syslogSource, zone      string
	syslogQuota, syslogRate string
	spoolMB                 int64
}

func (o *receiveOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.http, "receive", "localhost:8482", `address of the receivers for Elasticsearch _bulk, Splunk HEC and OTLP logs; "" for none`)
	f.StringVar(&o.grpc, "receive-grpc", "localhost:4317", `address of the receiver for OTLP logs by gRPC; "" for none`)
	f.StringVar(&o.syslog, "syslog", "", "address that takes syslog, UDP and TCP, e.g. localhost:5514; none by default")
	f.StringVar(&o.syslogTLS, "syslog-tls", "", "address that takes syslog over TLS, e.g. :6514; needs a certificate: --tls, --tls-cert or --syslog-cert")
	f.StringVar(&o.cert, "syslog-cert", "", "certificate chain in PEM for --syslog-tls alone; default that of --tls or --tls-cert")
	f.StringVar(&o.key, "syslog-key", "", "its private key in PEM")
	f.StringVar(&o.syslogSource, "syslog-source", "syslog", "name of the source that syslog goes to")
	f.StringVar(&o.zone, "syslog-zone", "", "IANA time zone of syslog times without one; default UTC")
	f.StringVar(&o.syslogQuota, "syslog-quota", "", "most that syslog may have in the spool, e.g. 500MB; default its fair share")
	f.StringVar(&o.syslogRate, "syslog-rate", "", "most that syslog may send a second, e.g. 5MB; default any")
	f.Int64Var(&o.spoolMB, "spool-mb", 2048, "most disk that received events may take until they are stored, in MiB; then senders are told to wait")
}

// changed notes which addresses were asked for.
func (o *receiveOptions) changed(c *cobra.Command) {
	o.fixed, o.fixedGRPC = c.Flags().Changed("receive"), c.Flags().Changed("receive-grpc")
}

// intake is the receiving part of a node.
type intake struct {
	spool    *spool.Dir
	host     string
	http     net.Listener
	receiver *receive.Receiver
	grpc     string   // URL of OTLP over gRPC
	syslog   string   // address of plain syslog
	said     []string // lines of the banner
	begun    chan struct{}
}

const minSpoolMB = 256

// openSpool opens this host's spool. Every worker has one, because what an earlier
// process received must be drained whether or not anything is received now.
func (n *node) openSpool() (err error) {
	in := &n.intake
	if in.host, err = hostName(); err != nil {
		return fmt.Errorf("naming the spool: %w", err)
	}
	if n.o.receive.spoolMB < minSpoolMB {
		return schema.E(schema.Invalid, fmt.Sprintf("--spool-mb %d is too little", n.o.receive.spoolMB), fmt.Sprintf("at least %d: one request may take a third of it", minSpoolMB))
	}
	in.begun = make(chan struct{}, 1)
	in.spool, err = spool.Open(filepath.Join(n.a.data, "spool"), spool.Options{Org: n.a.org, Limit: n.o.receive.spoolMB << 20, Log: n.o.log})
	if schema.CodeOf(err) == schema.Conflict && !n.o.receive.fixed {
		n.o.log.Warn("this worker receives nothing", "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	n.metrics.Receivers(n.figures)
	return nil
}

// figures are the counters of every push source of this host.
func (n *node) figures() []telemetry.Receiver {
	var out []telemetry.Receiver
	for _, l := range n.intake.spool.Logs() {
		st := l.Stats()
		out = append(out, telemetry.Receiver{Source: l.Source, Kind: l.Kind, Records: float64(st.Records), Bytes: float64(st.Bytes), Duplicates: float64(st.Duplicates),
			Refused: float64(st.Refused), Invalid: float64(st.Invalid), Dropped: float64(st.Dropped), Waits: float64(st.Pending), Quota: float64(l.InForce().Quota)})
	}
	return out
}

// receiverRow is a push source as `vigil sources list` reads it from the running process.
type receiverRow struct {
	spool.Meta
	spool.Stats
}

func (n *node) serveReceivers(w http.ResponseWriter, _ *http.Request) {
	rows := []receiverRow{}
	if n.intake.spool != nil {
		for _, l := range n.intake.spool.Logs() {
			rows = append(rows, receiverRow{spool.Meta{Org: l.Org, Source: l.Source, Kind: l.Kind, Format: l.Format, Limits: l.InForce()}, l.Stats()})
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(rows)
}

// receive starts the listeners and sees to it that what they take is drained.
func (n *node) receive(ctx context.Context) error {
	o := n.o.receive
	if n.intake.spool == nil {
		return nil
	}
	n.background(func() error { n.keepDraining(ctx); return nil })
	n.background(func() error { n.keepSources(ctx); return nil })
	n.intake.receiver = receive.New(receive.Options{Spool: n.intake.spool, Token: n.pushToken, Begun: n.kickDrain, Log: n.o.log})
	if o.http != "" {
		if err := n.receiveHTTP(ctx, o); err != nil {
			return err
		}
	}
	if o.grpc != "" {
		if err := n.receiveGRPC(ctx, o); err != nil {
			return err
		}
	}
	if o.syslog == "" && o.syslogTLS == "" {
		return nil
	}
	limits, err := limitsOf(o.syslogQuota, o.syslogRate)
	if err != nil {
		return err
	}
	limits.Set = time.Now().UTC()
	log, err := n.intake.spool.Log(spool.Meta{Org: n.a.org, Source: o.syslogSource, Kind: receive.Syslog, Format: receive.Formats()[receive.Syslog]})
	if err != nil {
		return err
	}
	if err := log.Limit(limits); err != nil {
		return err
	}
	n.kickDrain("")
	s := &source.Syslog{Spool: log, Log: n.o.log}
	if o.syslog != "" {
		if err := n.receiveSyslog(ctx, s, o.syslog); err != nil {
			return err
		}
	}
	if o.syslogTLS != "" {
		return n.receiveSyslogTLS(ctx, s, o)
	}
	return nil
}

func (n *node) receiveHTTP(ctx context.Context, o receiveOptions) error {
	l, err := listen(o.http, "--receive", o.fixed)
	if err != nil {
		return err
	}
	n.intake.http = l
	n.warnPlain("the receivers listen", l.Addr(), n.served.receivers)
	n.background(func() error { return n.intake.receiver.Run(ctx, l, n.served.receivers) })
	return nil
}

func (n *node) receiveGRPC(ctx context.Context, o receiveOptions) error {
	l, err := listen(o.grpc, "--receive-grpc", o.fixedGRPC)
	if err != nil {
		return err
	}
	n.intake.grpc = fmt.Sprintf("%s://localhost:%d", scheme(n.served.receivers), l.Addr().(*net.TCPAddr).Port)
	n.intake.said = append(n.intake.said, "  OTLP/gRPC    "+n.intake.grpc)
	n.warnPlain("the gRPC receiver listens", l.Addr(), n.served.receivers)
	n.background(func() error { return n.intake.receiver.RunGRPC(ctx, l, n.served.receivers) })
	return nil
}

// listen listens on the address, or on any port where it was not asked for.
func listen(addr, flag string, fixed bool) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil && !fixed {
		host, _, _ := net.SplitHostPort(addr)
		l, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
	}
	if err != nil {
		return nil, schema.E(schema.Unavailable, "the address "+addr+" cannot be listened on", "another program uses it; choose one with "+flag+" localhost:PORT, or port 0", err)
	}
	return l, nil
}

func (n *node) receiveSyslog(ctx context.Context, s *source.Syslog, addr string) error {
	tcp, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("receiving syslog by TCP: %w", err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String()) // the same port where 0 was asked for
	if err != nil {
		return errors.Join(fmt.Errorf("receiving syslog by UDP: %w", err), tcp.Close())
	}
	n.intake.syslog = tcp.Addr().String()
	n.intake.said = append(n.intake.said, "  Syslog       "+tcp.Addr().String()+" (UDP and TCP)")
	n.background(func() error { return s.ServeTCP(ctx, tcp, nil) })
	n.background(func() error { return s.ServeUDP(ctx, udp) })
	return nil
}

func (n *node) receiveSyslogTLS(ctx context.Context, s *source.Syslog, o receiveOptions) error {
	certs := n.served.receivers
	switch {
	case o.cert != "" && o.key != "":
		var err error
		if certs, err = localca.ServerConfig(o.cert, o.key, n.o.tls.clientCA); err != nil {
			return err
		}
	case certs == nil || o.cert != o.key:
		return schema.E(schema.Invalid, "--syslog-tls needs a certificate", "add --tls, or name one with --tls-cert and --tls-key, or --syslog-cert and --syslog-key")
	}
	l, err := net.Listen("tcp", o.syslogTLS)
	if err != nil {
		return fmt.Errorf("receiving syslog by TLS: %w", err)
	}
	n.intake.said = append(n.intake.said, "  Syslog       "+l.Addr().String()+" (TLS)")
	n.background(func() error { return s.ServeTCP(ctx, l, certs) })
	return nil
}

// kickDrain makes keepDraining look at once.
func (n *node) kickDrain(string) {
	select {
	case n.intake.begun <- struct{}{}:
	default:
	}
}

// keepDraining sees to it, until ctx ends, that every spool of this host has its Drain
// workflow.
func (n *node) keepDraining(ctx context.Context) {
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	for {
		for _, l := range n.intake.spool.Logs() {
			if err := n.drain(ctx, l); err != nil && ctx.Err() == nil {
				n.o.log.Warn("starting the Drain workflow; the spool keeps what is received meanwhile", "source", l.Source, "error", err)
			}
		}
		select {
		case <-tick.C:
		case <-n.intake.begun:
		case <-ctx.Done():
			return
		}
	}
}

func (n *node) drain(ctx context.Context, l *spool.Log) error {
	in := flow.DrainInput{Org: l.Org, Source: l.Source, Host: n.intake.host}
	if l.Kind == receive.Syslog {
		in.Zone = n.o.receive.zone
	}
	_, err := n.tp.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: flow.DrainID(l.Org, l.Source, n.intake.host), TaskQueue: flow.QueueSpool(n.intake.host),
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING}, flow.Drain, in)
	return err
}

// receiveURL is where the HTTP receivers answer, "" where there are none.
func (n *node) receiveURL() string {
	if n.intake.http == nil {
		return ""
	}
	return fmt.Sprintf("%s://localhost:%d", scheme(n.served.receivers), n.intake.http.Addr().(*net.TCPAddr).Port)
}

// receivers asks the running process for its push sources.
func (a *app) receivers(ctx context.Context) ([]receiverRow, error) {
	e, err := a.endpoints()
	if err != nil || e.OpsAddr == "" {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(e.OpsAddr, "/")+"/receivers", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	var rows []receiverRow
	return rows, json.NewDecoder(res.Body).Decode(&rows)
}
