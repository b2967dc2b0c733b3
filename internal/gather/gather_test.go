package gather

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// book remembers what was done.
type book struct {
	mu    sync.Mutex
	calls map[string][][]int
	took  time.Duration
	err   error
}

func (b *book) do(_ context.Context, lane string, items []int) error {
	time.Sleep(b.took)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.calls == nil {
		b.calls = map[string][][]int{}
	}
	b.calls[lane] = append(b.calls[lane], slices.Clone(items))
	return b.err
}

// What comes while a lane is at work is done at once; nothing is lost, doubled or out of order.
func TestGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(time.Second) // lanes end
		b := &book{took: 10 * time.Millisecond}
		g := New(Options{Most: 40}, b.do)
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Microsecond) // in order
				if _, err := g.Put(t.Context(), "a", i); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		sizes, all := []int{}, []int{}
		for _, c := range b.calls["a"] {
			sizes, all = append(sizes, len(c)), append(all, c...)
		}
		if want := []int{1, 40, 40, 19}; !slices.Equal(sizes, want) {
			t.Errorf("done in pieces of %v, want %v", sizes, want)
		}
		for i, got := range all {
			if i != got {
				t.Fatalf("item %d was done in the place of %d", got, i)
			}
		}
		if len(all) != 100 {
			t.Errorf("%d items of 100 were done", len(all))
		}
	})
}

// What comes alone waits for nothing, and lanes do not wait for each other.
func TestAloneAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(time.Second) // lanes end
		b := &book{took: time.Millisecond}
		g := New(Options{}, b.do)
		for i := range 4 {
			began := time.Now()
			if shared, err := g.Put(t.Context(), fmt.Sprint(i), i); err != nil || shared {
				t.Fatal(shared, err)
			}
			if took := time.Since(began); took != time.Millisecond {
				t.Errorf("item %d took %v", i, took)
			}
		}
		time.Sleep(time.Second)
		if len(g.lanes) != 0 {
			t.Errorf("%d lanes are kept", len(g.lanes))
		}
	})
}

// Callers of one piece of work share its error and know that they did.
func TestSharedError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(time.Second) // lanes end
		broken := errors.New("broken")
		b := &book{took: time.Millisecond, err: broken}
		g := New(Options{}, b.do)
		var mu sync.Mutex
		alone := 0
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				shared, err := g.Put(t.Context(), "a", i)
				if !errors.Is(err, broken) {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if !shared {
					alone++
				}
			})
		}
		wg.Wait()
		if alone > 1 {
			t.Errorf("%d callers believe that they were alone", alone)
		}
	})
}

// A caller that goes away does not stop the work of the others, nor its own.
func TestCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(time.Second) // lanes end
		b := &book{took: time.Second}
		g := New(Options{}, b.do)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := g.Put(ctx, "a", 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if _, err := g.Put(t.Context(), "a", 2); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(b.calls["a"]); got != "[[1] [2]]" {
			t.Errorf("done: %s", got)
		}
		if _, err := g.Put(ctx, "a", 3); err == nil {
			t.Error("what was cancelled before is taken")
		}
	})
}
