package doc

// WaitsSchema is the schema of what cmd/waits writes.
const WaitsSchema = "gostall.waits/1"

// Waits is where the time of cmd/waits' requests truly went.
type Waits struct {
	Schema    string          `json:"schema"`
	PID       int             `json:"pid"`
	GoVersion string          `json:"go_version"`
	Addr      string          `json:"addr"`
	Endpoints []WaitsEndpoint `json:"endpoints"`
	Notes     []string        `json:"notes"` // what did not go as promised; empty in a good run
}

// WaitsEndpoint is the ledger that a report must show for one endpoint, summed
// over its requests.
type WaitsEndpoint struct {
	Method   string `json:"method"`
	Route    string `json:"route"`
	Group    string `json:"group"`
	Requests uint64 `json:"requests"`
	WallNS   uint64 `json:"wall_ns"` // from the head's end to the answer's, as net/http sees it
	// HandlerNS is the handlers' part of it; a report may see the answer's end a
	// little before net/http does.
	HandlerNS uint64 `json:"handler_ns"`
	// States hold the time that is certainly in that state.
	States map[string]uint64 `json:"states"`
	// Either holds time that is certainly in one of several states, when nobody
	// inside the process can tell in which: a goroutine that has been released
	// but does not run yet waits for a P or for a CPU.
	Either []Either `json:"either,omitempty"`
	// Deep is what the children did for which the handler waited: at least this.
	Deep map[string]uint64 `json:"deep,omitempty"`
}

// Either is time shared by some of the states, in an unknown proportion.
type Either struct {
	States []string `json:"states"`
	NS     uint64   `json:"ns"`
}

// Known is the time that the truth accounts for, at most the wall time.
func (e *WaitsEndpoint) Known() uint64 {
	var sum uint64
	for _, ns := range e.States {
		sum += ns
	}
	for _, x := range e.Either {
		sum += x.NS
	}
	if sum > e.WallNS {
		return e.WallNS
	}
	return sum
}
