package testbed

import (
	"encoding/json"
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
	"/net/http": "net_upstream_read", "/net/line": "net_upstream_read", "/net/connect": "net_upstream_connect", "/net/send": "net_upstream_write",
	"/net/dns": "net_dns", "/net/dns-txt": "net_dns", "/net/nested": "lock", "/nested/pipe": "lock", "/nested/flock": "lock", "/net/upload": "net_client_read",
	"/net/download": "net_client_write", "/gc/run": "gc", "/cpu/quota": "throttled", "/cpu/hogged": "runq_go",
}

// startWaits starts cmd/waits and warms it up.
func startWaits(t *testing.T, flags []string, drive ...string) *truthServer {
	t.Helper()
	s := startProgram(t, nil, "waits", flags...)
	driveWaits(t, s.addr, append(drive, "-n", "1")...)
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
		// Two processors that others use as well leave little to a CPU loop, or to a
		// quick disk.
		if mainState[e.Route] != "" && main < 0.1 {
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
	s := startWaits(t, nil)
	d := driveWaits(t, s.addr, "-n", "4")
	w := s.waits()
	checkWaits(t, w, d)
	if len(w.Endpoints) < 30 {
		t.Errorf("%d endpoints", len(w.Endpoints))
	}
	judgeWaits(t, w, d)
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

// judgeWaits makes up reports from the truth: the right one passes, and one that
// calls most of an endpoint's time something else does not.
func judgeWaits(t *testing.T, w *doc.Waits, d *doc.Drive) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, v interface{}) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	truth, drive := write("truth.json", w), write("drive.json", d)
	judge := func(r *doc.Report) (string, error) {
		out, err := exec.Command(filepath.Join(bin, "judge"), "-ledger", "-deep", "-truth", truth, "-drive", drive,
			"-report", write("report.json", r)).CombinedOutput()
		return string(out), err
	}
	if out, err := judge(rightLedgers(w)); err != nil {
		t.Errorf("a right report does not pass: %v\n%s", err, out)
	}
	for i, e := range w.Endpoints {
		r := rightLedgers(w)
		ledger := r.Endpoints[i].Ledger
		most := "timer"
		for s, ns := range ledger {
			if ns > ledger[most] {
				most = s
			}
		}
		moved := ledger[most]
		ledger[most] = 0
		wrong := "syscall_disk"
		if most == wrong {
			wrong = "timer"
		}
		ledger[wrong] += moved
		if out, err := judge(r); err == nil {
			t.Errorf("%s passes with its %s called %s:\n%s", e.Route, most, wrong, out)
		}
	}
}

// rightLedgers is a report that the truth allows: what may be in several states
// is in one of them.
func rightLedgers(w *doc.Waits) *doc.Report {
	r := &doc.Report{}
	for _, e := range w.Endpoints {
		ledger := map[string]uint64{}
		var sum uint64
		for s, ns := range e.States {
			ledger[s] += ns
			sum += ns
		}
		for _, x := range e.Either {
			ledger[x.States[0]] += x.NS
			sum += x.NS
		}
		if sum < e.WallNS {
			ledger["cpu_user"] += e.WallNS - sum
			sum = e.WallNS
		}
		deep := map[string]uint64{"lock": sum}
		for s, ns := range e.Deep {
			deep[s] += ns
			deep["lock"] -= ns
		}
		r.Endpoints = append(r.Endpoints, doc.ReportEndpoint{
			Method: e.Method, Route: e.Route, Requests: e.Requests,
			Latency: doc.ReportLatency{TotalNS: sum}, Ledger: ledger, LedgerDeep: deep,
		})
	}
	return r
}

func TestWaitsSecure(t *testing.T) {
	for _, protocol := range []string{"-tls", "-h2"} {
		t.Run(protocol[1:], func(t *testing.T) {
			flags := []string{protocol, "-only", "net,/sleep"}
			s := startWaits(t, []string{"-tls"}, flags...)
			d := driveWaits(t, s.addr, append(flags, "-n", "4")...)
			w := s.waits()
			checkWaits(t, w, d)
			judgeWaits(t, w, d)
		})
	}
}

func TestWaitsSpecial(t *testing.T) {
	for group, flags := range waits.Special {
		t.Run(group, func(t *testing.T) {
			if group == "quota" && os.Geteuid() != 0 {
				t.Skip("needs root: it makes a cgroup")
			}
			s := startWaits(t, strings.Fields(flags), "-only", group)
			d := driveWaits(t, s.addr, "-n", "4", "-only", group)
			checkWaits(t, s.waits(), d)
		})
	}
}
