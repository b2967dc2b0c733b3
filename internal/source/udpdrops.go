package source

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// countKernelDrops counts, until ctx ends, the datagrams that the kernel had to throw away
// because they came faster than they were read. Only Linux tells them.
func (s *Syslog) countKernelDrops(ctx context.Context, conn *net.UDPConn) {
	inode, err := inodeOf(conn)
	if err != nil {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	known := kernelDrops(inode)
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if n := kernelDrops(inode); n > known {
			s.Spool.Drop(int(n - known))
			known = n
		}
	}
}

func inodeOf(conn *net.UDPConn) (inode uint64, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var st syscall.Stat_t
	var serr error
	err = raw.Control(func(fd uintptr) { serr = syscall.Fstat(int(fd), &st) })
	if err == nil {
		err = serr
	}
	return st.Ino, err
}

// kernelDrops is how many datagrams of a socket the kernel threw away so far.
func kernelDrops(inode uint64) int64 {
	for _, name := range []string{"/proc/self/net/udp", "/proc/self/net/udp6"} {
		text, err := os.ReadFile(name)
		if err == nil {
			if n, ok := dropsIn(text, inode); ok {
				return n
			}
		}
	}
	return 0
}

// dropsIn finds a socket in the kernel's table: the inode is the tenth field, the drops
// are the last.
func dropsIn(table []byte, inode uint64) (int64, bool) {
	want := fmt.Append(nil, inode)
	for line := range bytes.Lines(table) {
		f := bytes.Fields(line)
		if len(f) >= 13 && bytes.Equal(f[9], want) {
			n, err := strconv.ParseInt(string(f[len(f)-1]), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
