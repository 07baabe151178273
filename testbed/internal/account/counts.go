package account

import (
	"strconv"
	"sync"
	"time"

	"gostall/testbed/internal/doc"
)

// NoStatus is Done's status of a request whose status never left the server.
const NoStatus = -1

// Counts are one endpoint's requests, statuses and latency.
type Counts struct {
	mu   sync.Mutex
	seen doc.Endpoint
}

// Reset forgets everything.
func (c *Counts) Reset() {
	c.mu.Lock()
	c.seen = doc.Endpoint{}
	c.mu.Unlock()
}

// Done counts one request.
func (c *Counts) Done(status int, aborted bool, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen.Requests++
	if status != NoStatus {
		if c.seen.Statuses == nil {
			c.seen.Statuses = map[string]uint64{}
		}
		c.seen.Statuses[strconv.Itoa(status)]++
	}
	if aborted {
		c.seen.Aborted++
	}
	ns := uint64(took)
	c.seen.Latency.Count++
	c.seen.Latency.Sum += ns
	if ns > c.seen.Latency.Max {
		c.seen.Latency.Max = ns
	}
}

// Document is what was counted, without the endpoint's name and markers.
func (c *Counts) Document() doc.Endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.seen
	d.Statuses = make(map[string]uint64, len(c.seen.Statuses))
	for s, n := range c.seen.Statuses {
		d.Statuses[s] = n
	}
	return d
}
