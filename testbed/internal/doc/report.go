package doc

// Report is the part of `gostall report --format json` that the judge reads.
type Report struct {
	Schema    string           `json:"schema"`
	Endpoints []ReportEndpoint `json:"endpoints"`
	Runtime   []ReportRole     `json:"runtime"`
}

// ReportEndpoint is an endpoint with the syscalls charged to it and its ledger.
type ReportEndpoint struct {
	Method     string            `json:"method"`
	Route      string            `json:"route"`
	Requests   uint64            `json:"requests"`
	Errors     uint64            `json:"errors"`
	Statuses   map[string]uint64 `json:"statuses"`
	Latency    ReportLatency     `json:"latency"`
	Ledger     map[string]uint64 `json:"ledger"`
	LedgerDeep map[string]uint64 `json:"ledger_deep,omitempty"`
	Syscalls   []Call            `json:"syscalls"`
}

// ReportLatency is the wall time that the ledger splits.
type ReportLatency struct {
	TotalNS uint64 `json:"total_ns"`
}

// ReportRole holds the syscalls of no endpoint, by role.
type ReportRole struct {
	Role     string `json:"role"`
	Syscalls []Call `json:"syscalls"`
}

// LedgerStates are the states that a ledger may have.
var LedgerStates = []string{
	"cpu_user", "cpu_kernel", "runq_os", "throttled", "runq_go",
	"syscall_disk", "syscall_pipe", "syscall_lock", "syscall_other",
	"net_client_read", "net_client_write", "net_upstream_connect", "net_upstream_read", "net_upstream_write", "net_dns",
	"lock", "channel", "timer", "gc", "unknown",
}
