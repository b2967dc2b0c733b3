package clickhouse

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"unsafe"

	"github.com/ebitengine/purego"
	"golang.org/x/sys/unix"
)

// childEnv marks a process as the engine child and names the library to load.
const childEnv = "VIGIL_ENGINE_CHILD_LIB"

// RunChild must be called first in main (and in TestMain of tests that start an
// engine). In the engine child it never returns; elsewhere it does nothing.
func RunChild() {
	lib := os.Getenv(childEnv)
	if lib == "" {
		return
	}
	_ = os.Unsetenv(childEnv)
	// The library brings its own threads and allocator: keep Go out of its way.
	runtime.LockOSThread()
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	// The parent decides when to stop, by closing our stdin; terminal signals are not for us.
	signal.Ignore(unix.SIGINT, unix.SIGHUP, unix.SIGPIPE)
	if err := serve(lib, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve runs clickhouse-local in this process until stdin reaches its end.
func serve(lib string, args []string) error {
	h, err := purego.Dlopen(lib, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return fmt.Errorf("loading %s: %w", lib, err)
	}
	var run func(int32, unsafe.Pointer) unsafe.Pointer
	var resultError func(unsafe.Pointer) string
	purego.RegisterLibFunc(&run, h, "chdb_query_cmdline")
	purego.RegisterLibFunc(&resultError, h, "chdb_result_error")

	args = append([]string{"clickhouse"}, args...)
	var pin runtime.Pinner
	defer pin.Unpin()
	argv := make([]unsafe.Pointer, len(args)+1)
	for i, s := range args {
		b := append([]byte(s), 0)
		pin.Pin(&b[0])
		argv[i] = unsafe.Pointer(&b[0])
	}
	pin.Pin(&argv[0])
	r := run(int32(len(args)), unsafe.Pointer(&argv[0]))
	if r == nil {
		return errors.New("the engine returned no result")
	}
	if msg := resultError(r); msg != "" {
		return errors.New(msg)
	}
	return nil
}
