package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"vigil/schema"
)

// endpoints is what a running Vigil tells the commands beside it: where its
// engines and its API answer, and the credentials of this machine's operator. The
// file lives in the data folder, readable by its owner only.
type endpoints struct {
	PID               int    `json:"pid"`
	API               string `json:"api"`               // http://localhost:PORT
	OpsAddr           string `json:"ops"`               // health and metrics
	Receive           string `json:"receive,omitempty"` // http://localhost:PORT of the receivers
	ReceiveGRPC       string `json:"receive_grpc,omitempty"`
	Syslog            string `json:"syslog,omitempty"`
	SyslogSource      string `json:"syslog_source,omitempty"`
	CA                string `json:"ca,omitempty"` // file of the authority of their certificate, if it is our own
	Temporal          string `json:"temporal"`
	TemporalUI        string `json:"temporal_ui"`
	Namespace         string `json:"namespace"`
	TemporalToken     string `json:"temporal_token"` // writer
	ClickHouse        string `json:"clickhouse"`     // native protocol
	ClickHouseHTTP    string `json:"clickhouse_http"`
	ClickHouseUser    string `json:"clickhouse_user"`
	ClickHousePass    string `json:"clickhouse_password"`
	AnalystUser       string `json:"analyst_user,omitempty"`
	AnalystPass       string `json:"analyst_password,omitempty"`
	ClickHouseTLS     bool   `json:"clickhouse_tls,omitempty"`
	TemporalTLS       bool   `json:"temporal_tls,omitempty"`
	Encrypt           bool   `json:"encrypt_payloads,omitempty"`
	ClickHouseEmbeded bool   `json:"clickhouse_embedded"`
}

func endpointsPath(data string) string { return filepath.Join(data, "run", "endpoints.json") }

func (e endpoints) save(data string) error {
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	path := endpointsPath(data)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func loadEndpoints(data string) (endpoints, error) {
	var e endpoints
	b, err := os.ReadFile(endpointsPath(data))
	if errors.Is(err, fs.ErrNotExist) {
		return e, schema.E(schema.Unavailable, "no Vigil has been started with the data folder "+data,
			"start it with `make up` or `vigil up`, or name its folder with --data or VIGIL_DATA")
	}
	if err != nil {
		return e, fmt.Errorf("reading where Vigil listens: %w", err)
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return e, fmt.Errorf("reading %s: %w", endpointsPath(data), err)
	}
	return e, nil
}
