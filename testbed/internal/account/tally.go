// Package account counts what a server of the testbed does, and writes it down as
// the truth when told to.
package account

import (
	"sort"
	"sync"
	"sync/atomic"

	"gostall/testbed/internal/doc"
	"gostall/testbed/internal/marker"
)

// Tally counts marker calls by name and result. The usual result of each marker
// has a counter of its own, so that counting makes no lock and no syscall.
type Tally struct {
	usual []atomic.Uint64 // by marker.Kind.Index
	mu    sync.Mutex
	odd   map[doc.Call]uint64 // other results; Count is 0 in the key
}

// NewTally is an empty one.
func NewTally() *Tally {
	return &Tally{usual: make([]atomic.Uint64, len(marker.All()))}
}

// Add counts one call of k that had this result.
func (t *Tally) Add(k *marker.Kind, result string) {
	if result == k.Result {
		t.usual[k.Index].Add(1)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.odd == nil {
		t.odd = map[doc.Call]uint64{}
	}
	t.odd[doc.Call{Name: k.Name, Result: result}]++
}

// Reset forgets everything.
func (t *Tally) Reset() {
	for i := range t.usual {
		t.usual[i].Store(0)
	}
	t.mu.Lock()
	t.odd = nil
	t.mu.Unlock()
}

// Calls lists what was counted, sorted by name and result.
func (t *Tally) Calls() []doc.Call {
	out := []doc.Call{}
	for i, k := range marker.All() {
		if n := t.usual[i].Load(); n > 0 {
			out = append(out, doc.Call{Name: k.Name, Result: k.Result, Count: n})
		}
	}
	out = append(out, t.Odd()...)
	sortCalls(out)
	return out
}

// Odd lists the calls whose result was not the promised one.
func (t *Tally) Odd() []doc.Call {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []doc.Call
	for c, n := range t.odd {
		c.Count = n
		out = append(out, c)
	}
	sortCalls(out)
	return out
}

func sortCalls(c []doc.Call) {
	sort.Slice(c, func(i, j int) bool {
		if c[i].Name != c[j].Name {
			return c[i].Name < c[j].Name
		}
		return c[i].Result < c[j].Result
	})
}

// Step is a marker and how often a request makes it.
type Step struct {
	Kind *marker.Kind
	N    int
}

// Promise adds up steps by name and result.
func Promise(steps []Step) []doc.Call {
	sum := NewTally()
	for _, s := range steps {
		sum.usual[s.Kind.Index].Add(uint64(s.N))
	}
	return sum.Calls()
}
