package quantile

import (
	"testing"
	"time"
)

func TestSummary(t *testing.T) {
	var r Recorder
	if got := r.Summary(); got != (Summary{}) {
		t.Errorf("nothing recorded: %+v", got)
	}
	for i := 1000; i >= 1; i-- {
		r.Add(time.Duration(i))
	}
	want := Summary{Count: 1000, Mean: 500, P50: 500, P90: 900, P99: 990, P999: 999, Max: 1000}
	if got := r.Summary(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	var one Recorder
	one.Add(-time.Second)
	one.Add(7)
	if got := one.Summary(); got.P50 != 0 || got.P99 != 7 || got.Max != 7 {
		t.Errorf("two samples: %+v", got)
	}
}
