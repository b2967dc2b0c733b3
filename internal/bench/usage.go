package bench

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process and all below it use.
type Usage struct {
	Processes int
	CPU       time.Duration // of the processes that run now, since each started
	Children  time.Duration // the part of CPU that is not the first process's own
	RSS       int64         // resident bytes; shared pages count in each process
	PSS       int64         // resident bytes; shared pages are divided among their users
}

// userHZ is the unit of CPU times in /proc: 100 on every Linux that Go supports.
const userHZ = 100

// UsageOf sums a process and its descendants, from /proc (Linux).
func UsageOf(pid int) (Usage, error) {
	children, err := tree()
	if err != nil {
		return Usage{}, err
	}
	var u Usage
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		p := queue[0]
		cpu, err := cpuOf(p)
		if err != nil {
			if p == pid {
				return u, fmt.Errorf("process %d: %w", pid, err)
			}
			continue // it ended meanwhile
		}
		u.Processes++
		u.CPU += cpu
		if p != pid {
			u.Children += cpu
		}
		rss, pss := memoryOf(p)
		u.RSS += rss
		u.PSS += pss
		queue = append(queue, children[p]...)
	}
	return u, nil
}

// tree maps each process to its children.
func tree() (map[int][]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		return nil, fmt.Errorf("reading /proc: it is not there (%v)", err)
	}
	out := map[int][]int{}
	for _, name := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			continue
		}
		if f, err := stat(pid); err == nil {
			if parent, err := strconv.Atoi(f[1]); err == nil {
				out[parent] = append(out[parent], pid)
			}
		}
	}
	return out, nil
}

// stat returns the fields of /proc/PID/stat behind the command's name: state, parent, …
func stat(pid int) ([]string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	s := string(b)
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(f) < 13 {
		return nil, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(f))
	}
	return f, nil
}

func cpuOf(pid int) (time.Duration, error) {
	f, err := stat(pid)
	if err != nil {
		return 0, err
	}
	user, uerr := strconv.ParseInt(f[11], 10, 64)
	system, serr := strconv.ParseInt(f[12], 10, 64)
	if uerr != nil || serr != nil {
		return 0, fmt.Errorf("/proc/%d/stat: %q %q are no times", pid, f[11], f[12])
	}
	return time.Duration(user+system) * (time.Second / userHZ), nil
}

func memoryOf(pid int) (rss, pss int64) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		name, rest, _ := strings.Cut(s.Text(), ":")
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		switch {
		case err != nil:
		case name == "Rss":
			rss = n << 10
		case name == "Pss":
			pss = n << 10
		}
	}
	return rss, pss
}
