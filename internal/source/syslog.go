package source

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"vigil/internal/spool"
	"vigil/schema"
)

// Syslog receives syslog messages into a spool. Which RFC a message follows is for its
// parser; here it is a datagram, or a frame of a stream.
type Syslog struct {
	Spool *spool.Log
	Log   *slog.Logger
	// MaxConns bounds the connections at once; default 512. More wait to be accepted.
	MaxConns int
}

// The bounds of syslog.
const (
	maxDatagram = 64 << 10
	maxMessage  = 1 << 20 // of a stream; what is longer is cut, as RFC 5425 allows
	syslogIdle  = 10 * time.Minute
	batchBytes  = 1 << 20
	batchCount  = 1000
)

// ServeUDP takes datagrams until ctx ends. Nobody can be told to send a datagram again:
// what the spool does not take is dropped, and counted.
func (s *Syslog) ServeUDP(ctx context.Context, conn net.PacketConn) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if u, ok := conn.(*net.UDPConn); ok {
		_ = u.SetReadBuffer(8 << 20) // as much of it as the kernel allows
		watch, end := context.WithCancel(ctx)
		defer end()
		go s.countKernelDrops(watch, u)
	}
	queue := make(chan spool.Record, 20_000)
	done := make(chan struct{})
	go func() { defer close(done); s.keepDatagrams(context.WithoutCancel(ctx), queue) }()
	defer func() { close(queue); <-done; _ = conn.Close() }()
	buf := make([]byte, maxDatagram)
	for {
		n, _, err := conn.ReadFrom(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("receiving syslog datagrams: %w", err)
		}
		msg := bytes.TrimRight(buf[:n], "\r\n\x00")
		if len(msg) == 0 {
			continue
		}
		select {
		case queue <- spool.Record{Data: bytes.Clone(msg)}:
		default:
			s.Spool.Drop(1) // the disk is slower than the network
		}
	}
}

// keepDatagrams spools what is queued, as much as there is at once.
func (s *Syslog) keepDatagrams(ctx context.Context, queue <-chan spool.Record) {
	for first := range queue {
		batch, size := append(make([]spool.Record, 0, 64), first), len(first.Data)
		for len(batch) < batchCount && size < batchBytes && len(queue) > 0 {
			r := <-queue
			batch, size = append(batch, r), size+len(r.Data)
		}
		if _, err := s.Spool.Append(ctx, batch); err != nil {
			s.Spool.Drop(len(batch))
			s.Log.Debug("dropping syslog datagrams", "count", len(batch), "error", err)
		}
	}
}

// ServeTCP takes connections until ctx ends; certs, if not nil, makes them TLS. A full
// spool stops reading: the senders' own buffers fill, and they wait.
func (s *Syslog) ServeTCP(ctx context.Context, l net.Listener, certs *tls.Config) error {
	if certs != nil {
		l = tls.NewListener(l, certs)
	}
	if s.MaxConns == 0 {
		s.MaxConns = 512
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	room := make(chan struct{}, s.MaxConns)
	for {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() || isTooManyFiles(err) {
				<-room
				time.Sleep(100 * time.Millisecond)
				continue
			}
			return fmt.Errorf("accepting syslog connections: %w", err)
		}
		wg.Go(func() {
			defer func() { <-room }()
			if err := s.serve(ctx, conn); err != nil {
				s.Log.Info("a syslog connection ended", "from", conn.RemoteAddr(), "error", err)
			}
		})
	}
}

func isTooManyFiles(err error) bool {
	var oe *net.OpError
	return errors.As(err, &oe) && oe.Temporary()
}

// serve reads the messages of one connection and spools them in batches of what has come.
func (s *Syslog) serve(ctx context.Context, conn net.Conn) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	defer func() { _ = conn.Close() }()
	in := bufio.NewReaderSize(conn, 256<<10)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(syslogIdle))
		if ctx.Err() != nil { // asked after the deadline is set: whoever ends ctx sets another
			return nil
		}
		batch, err := readBatch(in)
		if len(batch) > 0 {
			if kerr := s.keep(ctx, batch); kerr != nil {
				return kerr
			}
		}
		switch {
		case errors.Is(err, io.EOF), ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
}

// readBatch reads one message, and those behind it that are there already.
func readBatch(in *bufio.Reader) (batch []spool.Record, err error) {
	size := 0
	for len(batch) < batchCount && size < batchBytes {
		msg, err := readMessage(in)
		if len(msg) > 0 {
			batch = append(batch, spool.Record{Data: msg})
			size += len(msg)
		}
		if err != nil || in.Buffered() == 0 {
			return batch, err
		}
		if head, _ := in.Peek(in.Buffered()); !complete(head) {
			return batch, nil
		}
	}
	return batch, nil
}

// complete says whether the buffered bytes hold a whole message, so that reading it does
// not wait while others are not yet on disk.
func complete(b []byte) bool {
	n, digits := count(b)
	if digits == 0 {
		return bytes.IndexByte(b, '\n') >= 0
	}
	return len(b) >= digits+1+n
}

// count reads the octet count of RFC 6587 ("123 <34>1 …"); 0 digits when the frame is one
// that ends with a newline.
func count(b []byte) (n, digits int) {
	for digits < len(b) && digits < 8 && b[digits] >= '0' && b[digits] <= '9' {
		digits++
	}
	if digits == 0 || b[0] == '0' || digits >= len(b) || b[digits] != ' ' {
		return 0, 0
	}
	n, err := strconv.Atoi(string(b[:digits]))
	if err != nil {
		return 0, 0
	}
	return n, digits
}

// readMessage reads one frame, by octet count or up to a newline, whichever it is.
func readMessage(in *bufio.Reader) ([]byte, error) {
	first, err := in.Peek(1)
	if err != nil {
		return nil, err
	}
	if first[0] >= '1' && first[0] <= '9' {
		head, _ := peekCount(in)
		if n, digits := count(head); digits > 0 {
			_, _ = in.Discard(digits + 1)
			return readCounted(in, n)
		}
	}
	return readLine(in)
}

// peekCount peeks as many bytes as the count takes, waiting for no more than needed.
func peekCount(in *bufio.Reader) ([]byte, error) {
	for n := 1; ; n++ {
		head, err := in.Peek(n)
		if err != nil || n == 9 || head[n-1] < '0' || head[n-1] > '9' {
			return head, err
		}
	}
}

func readCounted(in *bufio.Reader, n int) ([]byte, error) {
	msg := make([]byte, 0, min(n, 4096))
	for len(msg) < min(n, maxMessage) {
		part := min(n-len(msg), 64<<10, maxMessage-len(msg))
		at := len(msg)
		msg = append(msg, make([]byte, part)...)
		if got, err := io.ReadFull(in, msg[at:]); err != nil {
			return trim(msg[:at+got]), errors.Join(errors.New("the connection ended within a message"), err)
		}
	}
	_, err := in.Discard(n - len(msg))
	return trim(msg), err
}

func readLine(in *bufio.Reader) ([]byte, error) {
	var msg []byte
	for {
		part, err := in.ReadSlice('\n')
		msg = append(msg, part[:min(len(part), maxMessage-len(msg))]...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return trim(msg), err // a last line without newline counts
	}
}

func trim(msg []byte) []byte { return bytes.TrimRight(msg, "\r\n\x00") }

// keep spools a batch, and waits as long as the spool is full.
func (s *Syslog) keep(ctx context.Context, batch []spool.Record) error {
	for {
		_, err := s.Spool.Append(ctx, batch)
		if err == nil || schema.CodeOf(err) != schema.Exhausted && schema.CodeOf(err) != schema.Unavailable {
			return err
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}
