package doc

// Report is the part of `gostall report --format json` that the judge reads.
type Report struct {
	Schema    string           `json:"schema"`
	Endpoints []ReportEndpoint `json:"endpoints"`
	Runtime   []ReportRole     `json:"runtime"`
}

// ReportEndpoint is an endpoint with the syscalls charged to it.
type ReportEndpoint struct {
	Method   string            `json:"method"`
	Route    string            `json:"route"`
	Requests uint64            `json:"requests"`
	Errors   uint64            `json:"errors"`
	Statuses map[string]uint64 `json:"statuses"`
	Syscalls []Call            `json:"syscalls"`
}

// ReportRole holds the syscalls of no endpoint, by role.
type ReportRole struct {
	Role     string `json:"role"`
	Syscalls []Call `json:"syscalls"`
}
