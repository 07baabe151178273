package testbed

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gostall/testbed/internal/doc"
)

// TestStrace is the one check by somebody else: strace counts the same markers,
// by name and result, as the server says that it made; and neither the runtime
// nor net/http made a single one besides.
func TestStrace(t *testing.T) {
	t.Run("plain", func(t *testing.T) { straced(t, "truth", nil, "drive") })
	t.Run("tls", func(t *testing.T) { straced(t, "truth", []string{"-tls"}, "drive", "-tls") })
	t.Run("h2", func(t *testing.T) { straced(t, "truth", []string{"-tls"}, "drive", "-h2") })
	t.Run("grpc", func(t *testing.T) {
		modules(t)
		straced(t, "grpc-truth", nil, "grpc-drive")
	})
	t.Run("fasthttp", func(t *testing.T) {
		modules(t)
		framework := []string{"-framework", "fasthttp"}
		straced(t, "routers-truth", framework, "routers-drive", framework...)
	})
}

func straced(t *testing.T, server string, flags []string, driver string, load ...string) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	if err := exec.Command("strace", "-o", trace, "true").Run(); err != nil {
		t.Skip("strace may not trace here: ", err)
	}
	s := startProgram(t, []string{"strace", "-f", "-o", trace}, server, flags...)
	d := driven(t, driver, append([]string{"-addr", s.addr, "-n", "8"}, load...)...)
	truth := s.dump()
	check(t, truth, d)

	want := map[doc.Call]uint64{}
	names := map[string]bool{}
	count := func(calls []doc.Call) {
		for _, c := range calls {
			want[doc.Call{Name: c.Name, Result: c.Result}] += c.Count
			names[c.Name] = true
		}
	}
	for _, e := range truth.Endpoints {
		count(e.Markers)
	}
	count(truth.Background)
	// Killing strace leaves its child alone; the child must end by itself.
	if err := exec.Command("kill", "-TERM", strconv.Itoa(truth.PID)).Run(); err != nil {
		t.Fatal(err)
	}
	s.cmd.Wait()
	s.done = true

	got := parseStrace(t, trace)
	for c, n := range want {
		if got[c] != n {
			t.Errorf("%s=%s: the server says %d, strace %d", c.Name, c.Result, n, got[c])
		}
	}
	for c, n := range got {
		if names[c.Name] && want[c] == 0 && !ordinary[c] {
			t.Errorf("%s=%s: %d calls that are no marker", c.Name, c.Result, n)
		}
	}
}

// ordinary are calls of a marker's name with another result, which the runtime
// and net/http do make.
var ordinary = map[doc.Call]bool{
	{Name: "openat", Result: "ok"}:      true,
	{Name: "openat", Result: "ENOENT"}:  true,
	{Name: "getsockname", Result: "ok"}: true,
	{Name: "pread64", Result: "ok"}:     true, // the runtime's look at the cgroup's CPU limit
	{Name: "getdents64", Result: "ok"}:  true, // removal of the files at the end
}

var (
	resumed  = regexp.MustCompile(`^\d+ +<\.\.\. (\w+) resumed>`)
	begun    = regexp.MustCompile(`^\d+ +(\w+)\(`)
	returned = regexp.MustCompile(`= (?:-?\d+|0x[0-9a-f]+)(?: (E[A-Z0-9]+))?[^=]*$`)
)

// parseStrace counts the calls that returned after the server was ready.
func parseStrace(t *testing.T, file string) map[doc.Call]uint64 {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[doc.Call]uint64{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	ready := false
	for lines.Scan() {
		line := lines.Text()
		ready = ready || strings.Contains(line, `write(1, "ready `)
		if !ready || strings.HasSuffix(line, "<unfinished ...>") {
			continue
		}
		name := resumed.FindStringSubmatch(line)
		if name == nil {
			name = begun.FindStringSubmatch(line)
		}
		result := returned.FindStringSubmatch(line)
		if name == nil || result == nil {
			continue // a signal, an exit
		}
		if result[1] == "" {
			result[1] = "ok"
		}
		out[doc.Call{Name: name[1], Result: result[1]}]++
	}
	return out
}
