package testbed

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gostall/testbed/internal/doc"
)

// modules builds the truths of the other modules, once for all tests.
func modules(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(bin, "routers-drive")); err == nil {
		return
	}
	if out, err := exec.Command("./modules.sh", bin).CombinedOutput(); err != nil {
		t.Fatalf("modules.sh: %v\n%s", err, out)
	}
}

// driven runs a driver to success and gives what it sent.
func driven(t *testing.T, name string, flags ...string) *doc.Drive {
	t.Helper()
	file := filepath.Join(t.TempDir(), "drive.json")
	if out, err := exec.Command(filepath.Join(bin, name), append(flags, "-out", file)...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, flags, err, out)
	}
	var d doc.Drive
	readJSON(t, file, &d)
	return &d
}

// TestGRPC: both transports, plain and over TLS.
func TestGRPC(t *testing.T) {
	modules(t)
	for name, flags := range map[string][2][]string{
		"grpc":           {nil, nil},
		"workers":        {{"-workers", "4"}, nil},
		"grpc, tls":      {{"-tls"}, {"-tls"}},
		"net/http":       {{"-transport", "http"}, nil},
		"net/http, tls":  {{"-transport", "http", "-tls"}, {"-tls"}},
		"one connection": {nil, {"-conns", "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := startProgram(t, nil, "grpc-truth", flags[0]...)
			d := driven(t, "grpc-drive", append([]string{"-addr", s.addr, "-n", "20"}, flags[1]...)...)
			check(t, s.stop(), d)
		})
	}
}

// TestRouters: every framework.
func TestRouters(t *testing.T) {
	modules(t)
	for _, framework := range []string{"mux", "mux-nested", "gin", "chi", "echo", "gorilla", "httprouter", "fiber", "fasthttp"} {
		for _, secure := range []string{"-tls=false", "-tls"} {
			t.Run(framework+secure, func(t *testing.T) {
				s := startProgram(t, nil, "routers-truth", "-framework", framework, "-middleware", "1", secure)
				d := driven(t, "routers-drive", "-addr", s.addr, "-framework", framework, "-n", "10", secure)
				check(t, s.stop(), d)
			})
		}
	}
}
