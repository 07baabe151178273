package main

import (
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"strings"
	"sync"
	"time"

	"gostall/testbed/internal/selfsigned"
)

type client struct {
	base string
	http *http.Client
	h2   bool
	// header is one more for every request, or empty.
	header string
}

func newClient(base string, h2 bool, sni, header string) *client {
	config := selfsigned.Client()
	config.ServerName = sni
	t := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: h2, DisableCompression: true, MaxIdleConnsPerHost: 64}
	return &client{base: base, h2: h2, header: header, http: &http.Client{
		Transport: t, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ask makes one request and tells whether the answer was the plan's.
func (c *client) ask(it item, n int) error {
	req, err := http.NewRequest(it.method, c.base+numbered(it.path, n), strings.NewReader(numbered(it.body, n)))
	if err != nil {
		return err
	}
	if it.body == "" {
		req.Body, req.ContentLength = http.NoBody, 0
	} else if strings.HasPrefix(it.body, "{") {
		req.Header.Set("Content-Type", "application/json")
	} else {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if i := strings.Index(c.header, ": "); i > 0 {
		req.Header.Set(c.header[:i], c.header[i+2:])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", it.method, it.path, err)
	}
	if resp.StatusCode != it.status {
		return fmt.Errorf("%s %s: status %d, not %d: %.200s", it.method, it.path, resp.StatusCode, it.status, body)
	}
	if c.h2 && resp.ProtoMajor != 2 {
		return fmt.Errorf("%s %s: answered by %s", it.method, it.path, resp.Proto)
	}
	return nil
}

// wait asks until the answer is right.
func (c *client) wait(it item, until time.Time) error {
	for {
		err := c.ask(it, 0)
		if err == nil {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("the server is not ready: %w", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// send makes the plan's requests in a mixed order, the same each time.
func (c *client) send(plan []item, conns int) []error {
	type job struct{ item, n int }
	var jobs []job
	for i, it := range plan {
		for n := 0; n < it.count && !it.self; n++ {
			jobs = append(jobs, job{i, n + 1})
		}
	}
	rand.New(rand.NewSource(1)).Shuffle(len(jobs), func(a, b int) { jobs[a], jobs[b] = jobs[b], jobs[a] })
	queue := make(chan job, len(jobs))
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	var mu sync.Mutex
	var failed []error
	var wg sync.WaitGroup
	for i := 0; i < conns; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range queue {
				if err := c.ask(plan[j.item], j.n); err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
			}
		}()
	}
	wg.Wait()
	c.http.CloseIdleConnections()
	return failed
}
