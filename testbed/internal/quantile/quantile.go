// Package quantile keeps every measured duration and gives exact quantiles,
// so that the judge of gostall's bucketed quantiles has no error of its own.
package quantile

import (
	"sort"
	"sync"
	"time"
)

// Summary is a set of durations, in nanoseconds, as the programs print it.
type Summary struct {
	Count uint64 `json:"count"`
	Mean  uint64 `json:"mean"`
	P50   uint64 `json:"p50"`
	P90   uint64 `json:"p90"`
	P99   uint64 `json:"p99"`
	P999  uint64 `json:"p999"`
	Max   uint64 `json:"max"`
}

// Recorder collects durations from many goroutines. The zero value is ready.
type Recorder struct {
	mu      sync.Mutex
	samples []uint64
}

// Add records one duration; a negative one counts as zero.
func (r *Recorder) Add(d time.Duration) {
	if d < 0 {
		d = 0
	}
	r.mu.Lock()
	r.samples = append(r.samples, uint64(d))
	r.mu.Unlock()
}

// Summary sorts what was recorded so far and reads the quantiles from it.
func (r *Recorder) Summary() Summary {
	r.mu.Lock()
	s := append([]uint64(nil), r.samples...)
	r.mu.Unlock()
	if len(s) == 0 {
		return Summary{}
	}
	sort.Slice(s, func(i, j int) bool { return s[i] < s[j] })
	var sum uint64
	for _, v := range s {
		sum += v
	}
	return Summary{
		Count: uint64(len(s)),
		Mean:  sum / uint64(len(s)),
		P50:   rank(s, 0.50),
		P90:   rank(s, 0.90),
		P99:   rank(s, 0.99),
		P999:  rank(s, 0.999),
		Max:   s[len(s)-1],
	}
}

// rank is the nearest-rank quantile: the smallest sample that at least q of
// all samples do not exceed.
func rank(sorted []uint64, q float64) uint64 {
	n := len(sorted)
	i := int(float64(n)*q+0.9999999) - 1
	if i < 0 {
		i = 0
	}
	if i >= n {
		i = n - 1
	}
	return sorted[i]
}
