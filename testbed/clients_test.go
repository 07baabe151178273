package testbed

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gostall/testbed/internal/quantile"
)

// start runs a server program until the test ends and gives its address.
func start(t *testing.T, name string, flags ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, name), append([]string{"-addr", "127.0.0.1:0"}, flags...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(line, "ready "))
}

// TestLoad: the generator keeps its rate and sees the handler's delay.
func TestLoad(t *testing.T) {
	for name, flags := range map[string][2][]string{
		"hello": {nil, nil},
		"paths": {{"-endpoints", "300"}, {"-paths", "300"}},
		"slugs": {{"-goroutines", "100"}, {"-slugs", "5000"}},
		"bare":  {{"-bare"}, {"-slugs", "5000"}},
	} {
		t.Run(name, func(t *testing.T) {
			addr := start(t, "hello", append([]string{"-delay", "2ms"}, flags[0]...)...)
			args := append([]string{"-addr", addr, "-rate", "500", "-duration", "800ms", "-warmup", "200ms"}, flags[1]...)
			out, err := exec.Command(filepath.Join(bin, "load"), args...).Output()
			if err != nil {
				t.Fatalf("load: %v\n%s", err, out)
			}
			var res struct {
				Requests  uint64            `json:"requests"`
				Statuses  map[string]uint64 `json:"statuses"`
				LatencyNS quantile.Summary  `json:"latency_ns"`
			}
			if err := json.Unmarshal(out, &res); err != nil {
				t.Fatal(err)
			}
			if res.Requests != 400 || res.Statuses["200"] != 400 {
				t.Errorf("%d requests, statuses %v; want 400 with 200", res.Requests, res.Statuses)
			}
			if p50 := time.Duration(res.LatencyNS.P50); p50 < 2*time.Millisecond {
				t.Errorf("p50 %v, below the handler's own 2 ms", p50)
			}
		})
	}
}

// TestDemo: the demo and its own driver get along.
func TestDemo(t *testing.T) {
	addr := start(t, "demo", "-dir", t.TempDir())
	out, err := exec.Command(filepath.Join(bin, "demo"), "-addr", addr, "-load", "1s", "-rate", "200").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte(" requests, ")) {
		t.Fatalf("demo -load: %v\n%s", err, out)
	}
}
