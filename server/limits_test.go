package server

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := &limiter{}
	ana := []string{addressKey + "192.0.2.1", accountKey + "ana"}
	for i := range limitFree {
		if w := l.attempt(ana, now); w != 0 {
			t.Fatalf("attempt %d waits %s", i, w)
		}
	}
	if w := l.attempt(ana, now); w != time.Second {
		t.Errorf("the sixth waits %s", w)
	}
	for i, want := range []time.Duration{2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900} {
		now = now.Add(limitMax)
		l.attempt(ana, now)
		if w := l.attempt(ana, now); w != want*time.Second {
			t.Errorf("failure %d waits %s, want %d s", i+limitFree+1, w, want)
		}
	}
	// Another address may try another account, and not this one.
	if l.attempt([]string{addressKey + "192.0.2.2", accountKey + "ben"}, now) != 0 {
		t.Error("a stranger's failures lock everybody out")
	}
	if l.attempt([]string{addressKey + "192.0.2.2", accountKey + "ana"}, now) == 0 {
		t.Error("another address may guess on")
	}
	if now = now.Add(2 * limitForget); l.attempt(ana, now) != 0 || l.rows[ana[1]].n != 1 {
		t.Errorf("two quiet hours do not forget: %+v", l.rows[ana[1]])
	}
}

// TestLimiterOwnAccount: who signs in to an account of their own in between guesses on
// no faster.
func TestLimiterOwnAccount(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := &limiter{}
	guesses := 0
	for range 10_000 { // a second each
		now = now.Add(time.Second)
		if l.attempt([]string{addressKey + "a", accountKey + fmt.Sprint("victim", guesses)}, now) == 0 {
			guesses++
		}
		own := []string{addressKey + "a", accountKey + "own"}
		if l.attempt(own, now) == 0 {
			l.succeeded(own)
		}
	}
	if guesses > 30 {
		t.Errorf("%d guesses in 10,000 s", guesses)
	}
}

func TestLimiterFull(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := &limiter{}
	locked := []string{accountKey + "ana"}
	for range limitFree {
		l.attempt(locked, now)
	}
	for i := range 2 * limitRows { // one client cannot, a botnet can
		l.attempt([]string{fmt.Sprint(accountKey, i)}, now)
	}
	if len(l.rows) > limitRows {
		t.Errorf("%d rows are kept", len(l.rows))
	}
	if l.attempt(locked, now) == 0 {
		t.Error("a flood of names unlocks an account")
	}
	if w := l.attempt([]string{accountKey + "new"}, now.Add(2*time.Minute)); w != 0 {
		t.Errorf("after the flood a new name waits %s", w)
	}
}

// TestLimiterRace: of many attempts at once no more pass than of as many in turn.
func TestLimiterRace(t *testing.T) {
	l := &limiter{}
	now := time.Now()
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if l.attempt([]string{accountKey + "ana"}, now) == 0 {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	if passed.Load() != limitFree {
		t.Errorf("%d passed", passed.Load())
	}
}

func TestClientAddress(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:5000", "", "192.0.2.1"},
		{"192.0.2.1:5000", "203.0.113.9", "192.0.2.1"}, // a stranger's word
		{"10.0.0.1:5000", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:5000", "1.1.1.1, 203.0.113.9", "203.0.113.9"}, // the client made 1.1.1.1 up
		{"10.0.0.1:5000", "203.0.113.9, 10.0.0.2", "203.0.113.9"},
		{"10.0.0.1:5000", "nonsense", "10.0.0.1"},
		{"10.0.0.1:5000", "", "10.0.0.1"},
		{"[fd00::1]:5000", "2001:db8::1", "2001:db8::1"},
		{"[::ffff:10.0.0.1]:5000", "203.0.113.9", "203.0.113.9"},
		{"nonsense", "203.0.113.9", "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := clientAddress(r, proxies).String(); got != c.want {
			t.Errorf("%s with %q: %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
	if network(netip.MustParseAddr("2001:db8:1:2:3::4")) != network(netip.MustParseAddr("2001:db8:1:2:ffff::1")) {
		t.Error("one network of IPv6 is many addresses")
	}
	if network(netip.MustParseAddr("192.0.2.1")) == network(netip.MustParseAddr("192.0.2.2")) {
		t.Error("two addresses are one")
	}
}
