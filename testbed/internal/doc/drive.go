package doc

import "gostall/testbed/internal/quantile"

// Drive is what the driver sent and what came back.
type Drive struct {
	Schema   string           `json:"schema"`
	Requests []Sent           `json:"requests"`
	Latency  quantile.Summary `json:"latency_ns"` // as the client saw it, aborted ones left out
	Scenario []ScenarioResult `json:"scenarios"`
	Failures []string         `json:"failures"` // answers that were wrong; empty in a good run
}

// Sent is a number of requests to one endpoint that ended alike.
type Sent struct {
	Method  string `json:"method"`
	Route   string `json:"route"`
	Status  int    `json:"status"` // 0: no status line came; of gRPC: OK
	Count   uint64 `json:"count"`
	Aborted uint64 `json:"aborted"` // how many of them did not end regularly
	// Indirect requests were sent by the server to itself on behalf of others.
	Indirect bool `json:"indirect,omitempty"`
	// Protocol is "grpc" where Status is a grpc-status, which aborted requests lack.
	Protocol string `json:"protocol,omitempty"`
}

// ScenarioResult sums up one scenario.
type ScenarioResult struct {
	Name       string `json:"name"`
	Requests   uint64 `json:"requests"`
	DurationNS int64  `json:"duration_ns"`
	// WaitedNS is the sum of what the client waited, of waits-drive: no request
	// can have taken the server longer.
	WaitedNS uint64 `json:"waited_ns,omitempty"`
}
