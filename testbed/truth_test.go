package testbed

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"

	"gostall/testbed/internal/doc"
)

// check holds what the server counted against what it promised per request and
// against what the driver sent.
func check(t *testing.T, truth *doc.Truth, d *doc.Drive) {
	t.Helper()
	for _, diff := range doc.Compare(truth, d) {
		t.Error(diff)
	}
	for _, n := range truth.Notes {
		t.Error("note:", n)
	}
	after := map[[2]string]uint64{}
	for _, e := range truth.Endpoints {
		if got, want := e.Markers, times(e.PerRequest, e.Requests); !reflect.DeepEqual(got, want) {
			t.Errorf("%s %s, %d requests: markers %v, want %v", e.Method, e.Route, e.Requests, got, want)
		}
		for _, c := range e.AfterRequest {
			after[[2]string{c.Name, c.Result}] += c.Count * e.Requests
		}
	}
	background := []doc.Call{}
	for k, n := range after {
		background = append(background, doc.Call{Name: k[0], Result: k[1], Count: n})
	}
	sort.Slice(background, func(i, j int) bool {
		a, b := background[i], background[j]
		return a.Name < b.Name || a.Name == b.Name && a.Result < b.Result
	})
	if !reflect.DeepEqual(truth.Background, background) {
		t.Errorf("background %v, want %v", truth.Background, background)
	}
}

func times(calls []doc.Call, n uint64) []doc.Call {
	out := []doc.Call{}
	for _, c := range calls {
		c.Count *= n
		out = append(out, c)
	}
	return out
}

// TestScenarios runs every scenario by itself, with a reset before each.
func TestScenarios(t *testing.T) {
	s := startTruth(t, nil, "-endpoints", "50")
	out, err := exec.Command(filepath.Join(bin, "drive"), "-scenario", "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		name := strings.Fields(line)[0]
		t.Run(name, func(t *testing.T) {
			s.command("reset")
			d := drive(t, s.addr, "-scenario", name, "-n", "8", "-endpoints", "50")
			truth := s.dump()
			check(t, truth, d)
			if name == "malformed" {
				if len(truth.Endpoints) != 0 {
					t.Errorf("malformed requests reached %v", truth.Endpoints)
				}
				return
			}
			if len(truth.Endpoints) == 0 {
				t.Error("no request arrived")
			}
			if name == "detach" && truth.LateOverlaps == 0 {
				t.Error("no goroutine marked during another request")
			}
		})
	}
}

// TestVariants runs all scenarios at once on servers of different sorts.
func TestVariants(t *testing.T) {
	for name, flags := range map[string][]string{
		"mux":        nil,
		"own router": {"-own-router"},
		"middleware": {"-middleware", "2", "-goroutines", "500"},
		"collecting": {"-gogc", "5"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startTruth(t, nil, flags...)
			d := drive(t, s.addr, "-n", "20", "-conns", "5", "-parallel", "6", "-seed", "7")
			check(t, s.stop(), d)
		})
	}
	t.Run("unix", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		s := startTruth(t, nil, "-addr", "", "-unix", path)
		d := drive(t, "unix:"+path, "-n", "8")
		check(t, s.stop(), d)
	})
}

// TestProtocols runs what each protocol can, alone and all at once.
func TestProtocols(t *testing.T) {
	for name, flags := range map[string][2][]string{
		"tls":                  {{"-tls"}, {"-tls"}},
		"h2":                   {{"-tls"}, {"-h2"}},
		"h2c":                  {{"-h2c"}, {"-h2c"}},
		"h2 behind middleware": {{"-tls", "-middleware", "2", "-gogc", "5"}, {"-h2"}},
		"h2 by an own router":  {{"-tls", "-own-router"}, {"-h2"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := startTruth(t, nil, flags[0]...)
			for _, load := range [][]string{
				{"-n", "8", "-parallel", "1"},
				{"-n", "20", "-conns", "5", "-parallel", "6", "-seed", "7"},
			} {
				s.command("reset")
				d := drive(t, s.addr, append(load, flags[1]...)...)
				check(t, s.dump(), d)
			}
		})
	}
	t.Run("both on one port", func(t *testing.T) {
		s := startTruth(t, nil, "-tls")
		d := drive(t, s.addr, "-tls", "-n", "4")
		d.Requests = append(d.Requests, drive(t, s.addr, "-h2", "-n", "4").Requests...)
		check(t, s.dump(), d)
	})
}

// TestSeed: the same seed sends the same, another one something else.
func TestSeed(t *testing.T) {
	s := startTruth(t, nil)
	send := func(seed string) []doc.Sent {
		return drive(t, s.addr, "-scenario", "keepalive,params,literals", "-n", "10", "-seed", seed).Requests
	}
	if !reflect.DeepEqual(send("3"), send("3")) {
		t.Error("one seed, two loads")
	}
	if reflect.DeepEqual(send("3"), send("4")) {
		t.Error("two seeds, one load")
	}
}

// TestJudge makes the report that the truth deserves and lets the judge's
// command line decide on it, whole and damaged.
func TestJudge(t *testing.T) {
	s := startTruth(t, nil)
	d := drive(t, s.addr, "-n", "8")
	truth := s.stop()
	dir := t.TempDir()
	write := func(name string, v interface{}) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	truthFile, driveFile := write("t.json", truth), write("d.json", d)
	run := func(r *doc.Report) (int, string) {
		cmd := exec.Command(filepath.Join(bin, "judge"), "-truth", truthFile, "-drive", driveFile, "-report", write("r.json", r))
		out, _ := cmd.CombinedOutput()
		return cmd.ProcessState.ExitCode(), string(out)
	}
	if code, out := run(perfectReport(truth)); code != 0 {
		t.Errorf("the perfect report: exit code %d\n%s", code, out)
	}
	moved := perfectReport(truth)
	for i := range moved.Endpoints {
		if len(moved.Endpoints[i].Syscalls) > 0 {
			moved.Endpoints[0].Syscalls, moved.Endpoints[i].Syscalls = moved.Endpoints[i].Syscalls, moved.Endpoints[0].Syscalls
		}
	}
	less := perfectReport(truth)
	less.Endpoints[3].Requests--
	for name, r := range map[string]*doc.Report{"moved": moved, "a request less": less, "empty": {}} {
		if code, out := run(r); code != 1 {
			t.Errorf("%s: exit code %d\n%s", name, code, out)
		}
	}
}

func perfectReport(truth *doc.Truth) *doc.Report {
	r := &doc.Report{Runtime: []doc.ReportRole{{Role: "background", Syscalls: truth.Background}}}
	for _, e := range truth.Endpoints {
		errors := e.Aborted
		for s, n := range e.Statuses {
			if s >= "500" {
				errors += n
			}
		}
		r.Endpoints = append(r.Endpoints, doc.ReportEndpoint{
			Method: e.Method, Route: e.Route, Requests: e.Requests, Errors: errors, Statuses: e.Statuses, Syscalls: e.Markers,
		})
	}
	return r
}
