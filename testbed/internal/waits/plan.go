// Package waits is what the server cmd/waits and its driver agree on: which
// endpoints there are and how a client must behave towards them.
package waits

// Client is what a request needs of its client beyond asking and reading.
type Client int

// The ways in which a client behaves.
const (
	Plain Client = iota
	// SlowBody sends the head at once and the body later; its end is the time at
	// which it was sent (see Clock).
	SlowBody
	// SlowReader has a small receive buffer, and pauses after the first byte.
	SlowReader
)

// Endpoint is one thing to wait for.
type Endpoint struct {
	Method string
	Route  string
	// Group is what -only of the driver selects. Groups in Special need a server
	// that was started for them.
	Group  string
	Client Client
}

// Special are the groups that an ordinary server does not do justice to, with
// the server's flags that they need.
var Special = map[string]string{
	"quota": "-quota 10ms/50ms",
	"procs": "-procs 1",
}

// Large is the body of /net/download and /net/send: more than the socket buffers
// of both sides hold.
const Large = 112 << 10

// LargeH2 is the body of /net/download over HTTP/2: more than the window that
// net/http's client gives to a stream.
const LargeH2 = 5 << 20

// Endpoints is the plan, in the order in which the driver makes the requests.
func Endpoints() []Endpoint {
	get := func(group string, routes ...string) []Endpoint {
		var out []Endpoint
		for _, r := range routes {
			out = append(out, Endpoint{Method: "GET", Route: r, Group: group})
		}
		return out
	}
	all := get("cpu", "/cpu/user", "/cpu/kernel", "/cpu/neighbour")
	all = append(all, get("park", "/sleep", "/after", "/deadline", "/mutex", "/rwmutex", "/waitgroup", "/cond",
		"/channel", "/select", "/children")...)
	all = append(all, get("syscall", "/pipe/blocking", "/pipe/poller", "/disk/fsync", "/flock", "/nanosleep", "/wait4")...)
	all = append(all, get("net", "/net/http", "/net/line", "/net/connect", "/net/send", "/net/dns", "/net/dns-txt", "/net/nested")...)
	all = append(all,
		Endpoint{Method: "POST", Route: "/net/upload", Group: "net", Client: SlowBody},
		Endpoint{Method: "GET", Route: "/net/download", Group: "net", Client: SlowReader})
	all = append(all, get("gc", "/gc/run", "/gc/alloc")...)
	all = append(all, get("mix", "/mix")...)
	all = append(all, get("nested", "/nested/pipe", "/nested/flock")...)
	all = append(all, get("quota", "/cpu/quota")...)
	return append(all, get("procs", "/cpu/hogged")...)
}
