package source

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"vigil/internal/spool"
)

// sink is a real spool for one source.
func sink(t *testing.T, o spool.Options) (*spool.Dir, *spool.Log) {
	t.Helper()
	d, err := spool.Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	l, err := d.Log(spool.Meta{Source: "syslog", Kind: "syslog", Format: "syslog"})
	if err != nil {
		t.Fatal(err)
	}
	return d, l
}

// taken reads the spool as the pipeline would.
func taken(t *testing.T, l *spool.Log) []string {
	t.Helper()
	if err := l.Cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, _ := readSpool(t, l)
	return out
}

// readSpool reads what is there, and returns the segments that it has read to their ends.
func readSpool(t *testing.T, l *spool.Log) (out, ended []string) {
	t.Helper()
	for _, s := range l.Segments() {
		for r, err := range Spooled(s).Records(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			if !r.Cut {
				out = append(out, string(r.Data))
			}
		}
		if s.Sealed {
			ended = append(ended, s.ID)
		}
	}
	return out, ended
}

// serving runs a listener until the test ends.
func serving(t *testing.T, run func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the listener does not end")
		}
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what + " did not happen")
		}
	}
}

// TestSyslogTCP: both framings, in one connection, in pieces; the last line needs no end.
func TestSyslogTCP(t *testing.T) {
	_, log := sink(t, spool.Options{})
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Syslog{Spool: log, Log: slog.New(slog.DiscardHandler)}
	serving(t, func(ctx context.Context) error { return s.ServeTCP(ctx, l, nil) })
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("y", maxMessage+5)
	stream := "<34>one\r\n" + "11 <34>t\nwo\n\n" + "\n\n" + "5 <1>ab" + "<34>three\n" + fmt.Sprint(len(long)) + " " + long + "<34>4 is no count\n" + "12 apples\n" + "<5>last"
	for i := range 40 { // byte by byte where frames begin and end
		_, _ = c.Write([]byte{stream[i]})
	}
	_, _ = c.Write([]byte(stream[40:]))
	_ = c.Close()
	want := []string{"<34>one", "<34>t\nwo", "<1>ab", "<34>three", long[:maxMessage], "<34>4 is no count", "apples\n<5>la", "st"}
	eventually(t, "taking all messages", func() bool { return len(taken(t, log)) >= len(want) })
	got := taken(t, log)
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Errorf("message %d of %d: got %.40q, want %.40q", i, len(got), got[min(i, len(got)-1)], want[i])
		}
	}
}

// TestSyslogUDP: datagrams are messages; what a full spool does not take is counted.
func TestSyslogUDP(t *testing.T) {
	_, log := sink(t, spool.Options{Limit: 4000})
	conn, err := net.ListenPacket("udp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Syslog{Spool: log, Log: slog.New(slog.DiscardHandler)}
	serving(t, func(ctx context.Context) error { return s.ServeUDP(ctx, conn) })
	c, err := net.Dial("udp", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	send := func(n int, size int) {
		for i := range n {
			if _, err := fmt.Fprintf(c, "<34>%d %s\n", i, strings.Repeat("x", size)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // loopback drops too, uncounted
		}
	}
	send(5, 1)
	eventually(t, "taking datagrams", func() bool { return log.Stats().Records == 5 })
	if got := fmt.Sprintf("%q", taken(t, log)); got != `["<34>0 x" "<34>1 x" "<34>2 x" "<34>3 x" "<34>4 x"]` {
		t.Error(got)
	}
	send(10, 900)
	eventually(t, "counting what is lost", func() bool { st := log.Stats(); return st.Records+st.Dropped == 15 && st.Dropped > 5 })
	if got := taken(t, log); int64(len(got)) != log.Stats().Records {
		t.Errorf("%d are on disk, %+v", len(got), log.Stats())
	}
}

// TestSyslogWaits: a full spool stops reading; nothing is lost when it has room again.
func TestSyslogWaits(t *testing.T) {
	d, log := sink(t, spool.Options{Limit: 600_000, Keep: 1, SegmentBytes: 50_000})
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Syslog{Spool: log, Log: slog.New(slog.DiscardHandler)}
	serving(t, func(ctx context.Context) error { return s.ServeTCP(ctx, l, nil) })
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := range 4000 {
			_, _ = fmt.Fprintf(c, "<34>%04d %s\n", i, strings.Repeat("x", 500))
		}
		_ = c.Close()
	}()
	eventually(t, "the spool being full", func() bool { return log.Stats().Refused > 0 })
	seen := map[string]bool{}
	eventually(t, "taking all after the spool was drained", func() bool {
		if err := log.Cut(t.Context()); err != nil {
			t.Fatal(err)
		}
		texts, ended := readSpool(t, log)
		for _, text := range texts {
			seen[text[:8]] = true
		}
		for _, id := range ended {
			log.Release(id)
		}
		return len(seen) == 4000
	})
	if st := log.Stats(); st.Dropped != 0 || st.Records != 4000 {
		t.Errorf("%+v %v", st, d.Logs())
	}
}

// TestSyslogTLS: the same over TLS, with a certificate made for the test.
func TestSyslogTLS(t *testing.T) {
	_, log := sink(t, spool.Options{})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Syslog{Spool: log, Log: slog.New(slog.DiscardHandler)}
	serving(t, func(ctx context.Context) error {
		return s.ServeTCP(ctx, l, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12})
	})
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write([]byte("6 <1>tls"))
	eventually(t, "taking a message over TLS", func() bool { return fmt.Sprint(taken(t, log)) == "[<1>tls]" })
	_ = c.Close()
	plain, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = plain.Write([]byte("<1>not tls\n"))
	_, _ = io.Copy(io.Discard, plain) // closed by the other side
	if got := taken(t, log); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

// FuzzSyslogStream: no stream makes the framing panic or hang, and messages are bounded.
func FuzzSyslogStream(f *testing.F) {
	for _, s := range []string{"<34>one\n", "8 <34>t\nwo<34>x", "99999999 x", "0 x\n", "12", "12 ", "\n\n\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		in := bufio.NewReaderSize(bytes.NewReader(stream), 64)
		total := 0
		for range len(stream) + 2 {
			msg, err := readMessage(in)
			if total += len(msg); len(msg) > maxMessage || total > len(stream) {
				t.Fatalf("%d bytes of message from %d of stream", total, len(stream))
			}
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatal(err)
				}
				return
			}
		}
		t.Fatal("reading does not end")
	})
}

// TestKernelDrops: what the kernel throws away because nobody reads is found.
func TestKernelDrops(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	inode, err := inodeOf(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/self/net/udp"); err != nil {
		t.Skip("only Linux tells what its kernel drops")
	}
	out, err := net.Dial("udp", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	const sent = 500
	for range sent {
		if _, err := out.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	kept := int64(0)
	buf := make([]byte, 2000)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := conn.Read(buf); err != nil {
			break
		}
		kept++
	}
	if n := kernelDrops(inode); n == 0 || n+kept != sent {
		t.Errorf("%d dropped and %d kept of %d", n, kept, sent)
	}
}
