// Package doc is the JSON that the testbed's programs exchange: what the truth
// server says happened, what the driver says it sent, and the part of gostall's
// report that the judge reads.
package doc

// Schemas of the files.
const (
	TruthSchema = "gostall.truth/1"
	DriveSchema = "gostall.drive/1"
	JudgeSchema = "gostall.judge/1"
)

// Unmatched is the route of requests that the router matched to nothing.
const Unmatched = "(unmatched)"

// Call is a number of syscalls with one name and one result ("ok" or the
// errno's name).
type Call struct {
	Name   string `json:"name"`
	Result string `json:"result"`
	Count  uint64 `json:"count"`
}

// Truth is what the truth server wrote down while it ran.
type Truth struct {
	Schema     string       `json:"schema"`
	PID        int          `json:"pid"`
	GoVersion  string       `json:"go_version"`
	Router     string       `json:"router"` // "mux", "own", "grpc", a framework's name
	Addr       string       `json:"addr"`
	Endpoints  []Endpoint   `json:"endpoints"`
	Background []Call       `json:"background"` // made by goroutines of no living request
	HandedOver []HandedOver `json:"handed_over,omitempty"`
	// LateOverlaps counts goroutines that outlived their request and made their
	// first marker while their connection was already serving another one.
	LateOverlaps uint64 `json:"late_overlaps"`
	// Notes name what did not go as the server promises (a marker with another
	// result, work that did not end before the dump). Empty in a good run.
	Notes []string `json:"notes"`
}

// Endpoint is one method and route, as the report must show it.
type Endpoint struct {
	Method string `json:"method"`
	// Route is the cluster of paths; Pattern is the router's own template where
	// that differs. A report may show either, but only one of them.
	Route    string            `json:"route"`
	Pattern  string            `json:"pattern,omitempty"`
	Protocol string            `json:"protocol,omitempty"` // "grpc": statuses are grpc-status
	Requests uint64            `json:"requests"`
	Statuses map[string]uint64 `json:"statuses"` // of those whose status line left the server
	Aborted  uint64            `json:"aborted"`
	Latency  Latency           `json:"latency_ns"` // from the handler's start to its end
	Markers  []Call            `json:"markers"`
	// PerRequest is the promise: how many markers each request makes.
	PerRequest []Call `json:"per_request"`
	// AfterRequest is the same for goroutines that outlive the request; those
	// markers stand in the background's list.
	AfterRequest []Call `json:"after_request,omitempty"`
}

// Latency sums durations in nanoseconds.
type Latency struct {
	Count uint64 `json:"count"`
	Sum   uint64 `json:"sum"`
	Max   uint64 `json:"max"`
}

// HandedOver is the part of the background that a long-lived worker did for a
// request which reached it through a channel while the request lived. A report
// that saw the hand-over may charge it to that endpoint.
type HandedOver struct {
	Method string `json:"method"`
	Route  string `json:"route"`
	Call
}

// IsError tells whether a status makes a request an error: 5xx; of gRPC's codes
// those that are the server's fault.
func IsError(protocol, status string) bool {
	if protocol != "grpc" {
		return len(status) == 3 && status >= "500"
	}
	switch status {
	case "2", "4", "8", "12", "13", "14", "15":
		return true
	}
	return false
}
