package testbed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gostall/testbed/internal/doc"
	"gostall/testbed/internal/waits"
)

// mainState is where most of a request's time must be, whatever the machine
// does meanwhile; of several they share it.
var mainState = map[string]string{
	"/cpu/user": "cpu_user", "/cpu/kernel": "cpu_kernel", "/cpu/neighbour": "runq_os|runq_go",
	"/sleep": "timer", "/after": "timer", "/deadline": "timer|channel", "/mutex": "lock", "/rwmutex": "lock",
	"/waitgroup": "lock", "/cond": "lock", "/channel": "channel", "/select": "channel", "/children": "channel",
	"/pipe/blocking": "syscall_pipe", "/pipe/poller": "syscall_pipe", "/disk/fsync": "syscall_disk",
	"/flock": "syscall_lock", "/nanosleep": "syscall_other", "/wait4": "syscall_other",
	"/net/http": "net_upstream_read", "/net/line": "net_upstream_read", "/net/connect": "net_upstream_connect",
	"/net/dns": "net_dns", "/net/dns-txt": "net_dns", "/net/nested": "lock", "/net/upload": "net_client_read",
	"/net/download": "net_client_write", "/gc/run": "gc", "/cpu/quota": "throttled", "/cpu/hogged": "runq_go",
}

// startWaits starts cmd/waits and warms it up.
func startWaits(t *testing.T, flags []string, only string) *truthServer {
	t.Helper()
	s := startProgram(t, nil, "waits", flags...)
	driveWaits(t, s.addr, "-n", "1", "-only", only)
	s.command("reset")
	return s
}

func driveWaits(t *testing.T, addr string, flags ...string) *doc.Drive {
	t.Helper()
	file := filepath.Join(t.TempDir(), "drive.json")
	args := append([]string{"-addr", addr, "-out", file}, flags...)
	if out, err := exec.Command(filepath.Join(bin, "waits-drive"), args...).CombinedOutput(); err != nil {
		t.Fatalf("waits-drive %v: %v\n%s", flags, err, out)
	}
	var d doc.Drive
	readJSON(t, file, &d)
	return &d
}

func (s *truthServer) waits() *doc.Waits {
	s.t.Helper()
	s.command("dump")
	var w doc.Waits
	readJSON(s.t, s.truth, &w)
	return &w
}

// checkWaits holds what the server measured against what it was to do.
func checkWaits(t *testing.T, w *doc.Waits, d *doc.Drive) {
	t.Helper()
	for _, n := range w.Notes {
		t.Error("note:", n)
	}
	sent := map[string]uint64{}
	for _, r := range d.Requests {
		sent[r.Route] += r.Count
	}
	states := map[string]bool{}
	for _, s := range doc.LedgerStates {
		states[s] = true
	}
	for _, e := range w.Endpoints {
		if e.Requests != sent[e.Route] {
			t.Errorf("%s: %d requests, %d sent", e.Route, e.Requests, sent[e.Route])
		}
		delete(sent, e.Route)
		wall := float64(e.WallNS)
		var sum uint64
		var main float64
		for s, ns := range e.States {
			if sum += ns; !states[s] {
				t.Errorf("%s: there is no state %s", e.Route, s)
			}
			if strings.Contains("|"+mainState[e.Route]+"|", "|"+s+"|") {
				main += float64(ns) / wall
			}
		}
		for _, x := range e.Either {
			sum += x.NS
			if overlaps(x.States, mainState[e.Route]) {
				main += float64(x.NS) / wall
			}
		}
		if sum > e.WallNS+e.WallNS/50 {
			t.Errorf("%s: its states sum to %d, more than its wall time, %d", e.Route, sum, e.WallNS)
		}
		if open := 1 - float64(e.Known())/wall; open > 0.15 {
			t.Errorf("%s: %.1f %% are open", e.Route, 100*open)
		}
		// Two processors of which others use one leave little to a CPU loop.
		if mainState[e.Route] != "" && main < 0.2 {
			t.Errorf("%s: %s is %.1f %%", e.Route, mainState[e.Route], 100*main)
		}
	}
	if len(sent) > 0 {
		t.Errorf("the server has not seen %v", sent)
	}
}

func overlaps(states []string, main string) bool {
	for _, s := range states {
		if strings.Contains("|"+main+"|", "|"+s+"|") {
			return true
		}
	}
	return false
}

func TestWaits(t *testing.T) {
	s := startWaits(t, nil, "")
	d := driveWaits(t, s.addr, "-n", "4")
	w := s.waits()
	checkWaits(t, w, d)
	if len(w.Endpoints) < 30 {
		t.Errorf("%d endpoints", len(w.Endpoints))
	}
	for _, e := range w.Endpoints {
		t.Logf("%-16s %5.1f ms open %4.1f %% %s", e.Route, float64(e.WallNS)/float64(e.Requests)/1e6,
			100-100*float64(e.Known())/float64(e.WallNS), shares(e))
	}
}

// shares is an endpoint's truth in per cent of its wall time.
func shares(e doc.WaitsEndpoint) string {
	var out []string
	show := func(name string, ns uint64) {
		out = append(out, fmt.Sprintf("%s %.1f", name, 100*float64(ns)/float64(e.WallNS)))
	}
	for _, s := range doc.LedgerStates {
		if e.States[s] > 0 {
			show(s, e.States[s])
		}
	}
	for _, x := range e.Either {
		show(strings.Join(x.States, "|"), x.NS)
	}
	return strings.Join(out, ", ")
}

func TestWaitsSpecial(t *testing.T) {
	for group, flags := range waits.Special {
		t.Run(group, func(t *testing.T) {
			if group == "quota" && os.Geteuid() != 0 {
				t.Skip("needs root: it makes a cgroup")
			}
			s := startWaits(t, strings.Fields(flags), group)
			d := driveWaits(t, s.addr, "-n", "4", "-only", group)
			checkWaits(t, s.waits(), d)
		})
	}
}
