// Package testbed tests the testbed's own programs against each other: a truth
// that is not true would judge everything else falsely.
package testbed

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gostall/testbed/internal/doc"
)

var bin string // where the programs are

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if bin, err = os.MkdirTemp("", "gostall-testbed-"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(bin)
		build := exec.Command("go", "build", "-o", bin+"/", "./cmd/...")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("%v\n%s", err, out))
		}
		return m.Run()
	}())
}

// truthServer is a running cmd/truth.
type truthServer struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Scanner
	addr  string
	truth string // the file
	done  bool
}

// startTruth starts the server, under wrapper if one is given.
func startTruth(t *testing.T, wrapper []string, flags ...string) *truthServer {
	t.Helper()
	return startProgram(t, wrapper, "truth", flags...)
}

// startProgram is startTruth for those that obey as it does.
func startProgram(t *testing.T, wrapper []string, name string, flags ...string) *truthServer {
	t.Helper()
	s := &truthServer{t: t, truth: filepath.Join(t.TempDir(), "truth.json")}
	args := append(append([]string{}, wrapper...), filepath.Join(bin, name),
		"-addr", "127.0.0.1:0", "-truth", s.truth, "-tmp", t.TempDir())
	args = append(args, flags...)
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Stderr = os.Stderr
	// A group of its own: whoever kills a wrapper must reach the server, too.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	s.out = bufio.NewScanner(out)
	s.addr = strings.TrimPrefix(s.line(), "ready ")
	return s
}

func (s *truthServer) line() string {
	s.t.Helper()
	if !s.out.Scan() {
		s.t.Fatalf("the server says nothing more: %v", s.out.Err())
	}
	return s.out.Text()
}

func (s *truthServer) command(c string) {
	s.t.Helper()
	fmt.Fprintln(s.in, c)
	if got := s.line(); got != c+" done" {
		s.t.Fatalf("%s: %s", c, got)
	}
}

func (s *truthServer) dump() *doc.Truth {
	s.t.Helper()
	s.command("dump")
	return s.read()
}

func (s *truthServer) read() *doc.Truth {
	s.t.Helper()
	var truth doc.Truth
	readJSON(s.t, s.truth, &truth)
	return &truth
}

func (s *truthServer) kill() {
	if !s.done {
		syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		s.cmd.Wait()
	}
}

// stop ends the server the orderly way and gives what it wrote then.
func (s *truthServer) stop() *doc.Truth {
	s.t.Helper()
	os.Remove(s.truth)
	s.done = true
	s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("the server's end: %v", err)
	}
	return s.read()
}

// drive runs cmd/drive to success.
func drive(t *testing.T, addr string, flags ...string) *doc.Drive {
	t.Helper()
	file := filepath.Join(t.TempDir(), "drive.json")
	args := append([]string{"-addr", addr, "-out", file, "-limit", "50s"}, flags...)
	if out, err := exec.Command(filepath.Join(bin, "drive"), args...).CombinedOutput(); err != nil {
		t.Fatalf("drive %v: %v\n%s", flags, err, out)
	}
	var d doc.Drive
	readJSON(t, file, &d)
	return &d
}

func readJSON(t *testing.T, file string, into interface{}) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
