package server

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"vigil/schema"
)

// limiter slows guessing down: after five failures of a user or address, each further
// one doubles the wait, up to 15 minutes. An hour of quiet forgets.
type limiter struct {
	mu    sync.Mutex
	rows  map[string]failures
	swept time.Time
}

type failures struct {
	n           int
	last, until time.Time
}

const (
	limitFree   = 5 // failures without a wait
	limitMax    = 15 * time.Minute
	limitForget = time.Hour
	limitRows   = 100_000
)

// attempt says how long to wait, or counts an attempt as failed and says 0: both in
// one step, so that simultaneous attempts cannot slip through together.
func (l *limiter) attempt(keys []string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var wait time.Duration
	for _, k := range keys {
		wait = max(wait, l.rows[k].until.Sub(now))
	}
	if wait > 0 {
		return wait
	}
	if l.rows == nil {
		l.rows = map[string]failures{}
	}
	if len(l.rows)+len(keys) > limitRows && !l.sweep(now) {
		return time.Second // forgetting failures to make room would let guessers make room
	}
	for _, k := range keys {
		f := l.rows[k]
		if now.Sub(f.last) > limitForget {
			f.n = 0
		}
		f.n++
		f.last = now
		if f.n >= limitFree {
			f.until = now.Add(min(time.Second<<min(f.n-limitFree, 10), limitMax))
		}
		l.rows[k] = f
	}
	return 0
}

// sweep drops what is forgotten, at most once a second, and says whether there is room.
func (l *limiter) sweep(now time.Time) bool {
	if now.Sub(l.swept) >= time.Second {
		l.swept = now
		for k, f := range l.rows {
			// One or two failures are forgotten early when there is no room.
			if now.Sub(f.last) > limitForget || f.n < limitFree && now.Sub(f.last) > time.Minute {
				delete(l.rows, k)
			}
		}
	}
	return len(l.rows) < limitRows-10
}

// succeeded takes back what the attempt counted. An account's failures are forgotten; an
// address's are not, or whoever has an account could guess at others from there.
func (l *limiter) succeeded(keys []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		f, ok := l.rows[k]
		if f.n--; strings.HasPrefix(k, accountKey) || f.n <= 0 {
			delete(l.rows, k)
		} else if ok {
			f.until = time.Time{}
			l.rows[k] = f
		}
	}
}

// The limiter's keys.
const (
	addressKey = "address:"
	accountKey = "account:"
)

// slowly counts an attempt on an account (none: only the address), or refuses it. done is
// called when the attempt turned out good.
func (s *Server) slowly(ctx context.Context, account string) (done func(), err error) {
	keys := []string{addressKey + network(addressOf(ctx))}
	if account != "" {
		keys = append(keys, accountKey+account)
	}
	return s.limited(keys)
}

// finishing is slowly for a second step: the first one has counted the address, whose wait
// must not refuse what it was begun for. done takes that back too.
func (s *Server) finishing(ctx context.Context, account string) (done func(), err error) {
	begun := []string{addressKey + network(addressOf(ctx))}
	if account == "" {
		return func() { s.limits.succeeded(begun) }, nil
	}
	own, err := s.limited([]string{accountKey + account})
	if err != nil {
		return nil, err
	}
	return func() { own(); s.limits.succeeded(begun) }, nil
}

func (s *Server) limited(keys []string) (done func(), err error) {
	if wait := s.limits.attempt(keys, time.Now()); wait > 0 {
		return nil, schema.E(schema.Exhausted, "too many failed sign-ins", "try again in "+max(wait.Round(time.Second), time.Second).String())
	}
	return func() { s.limits.succeeded(keys) }, nil
}

// network is what counts as one address: who has an IPv6 address has 2^64 of them.
func network(addr netip.Addr) string {
	if addr.Is6() && !addr.Is4In6() {
		p, _ := addr.WithZone("").Prefix(64) // 64 bits fit
		return p.String()
	}
	return addr.Unmap().String()
}

type addressContext struct{}

// addressOf is the address of the client of a request.
func addressOf(ctx context.Context) netip.Addr {
	a, _ := ctx.Value(addressContext{}).(netip.Addr)
	return a
}

// clientAddress is where a request comes from: the nearest hop that is not one of our
// own proxies. What others write into the header is not believed.
func clientAddress(r *http.Request, proxies []netip.Prefix) netip.Addr {
	ap, _ := netip.ParseAddrPort(r.RemoteAddr) // what cannot be read is the zero address, one for all
	addr := ap.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && trusted(addr, proxies); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next.Unmap()
	}
	return addr
}

func trusted(addr netip.Addr, proxies []netip.Prefix) bool {
	for _, p := range proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
