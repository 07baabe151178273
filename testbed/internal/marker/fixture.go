package marker

import (
	"os"
	"path/filepath"
	"syscall"
)

// What file markers work on. Raw descriptors, not os.File: those would be
// registered with the poller and closed by the garbage collector.
var (
	dir      string // a directory that exists
	file     string // a regular file in it
	link     string // a symbolic link to the file
	loop     string // a symbolic link to itself
	missing  string // nothing
	fileFD   int    // the file, read-write
	pipeFD   int    // a pipe's read end
	lockedFD int    // the lock file, through an open file that does not hold the lock
	fileOS   *os.File
)

const badFD = ^uintptr(0) // -1: no descriptor

// Setup makes the files that the markers need below parent; Cleanup removes them.
func Setup(parent string) error {
	var err error
	if dir, err = os.MkdirTemp(parent, "gostall-truth-"); err != nil {
		return err
	}
	file = filepath.Join(dir, "file")
	link = filepath.Join(dir, "link")
	loop = filepath.Join(dir, "loop")
	missing = filepath.Join(dir, "missing")
	if err := os.WriteFile(file, make([]byte, 4096), 0o644); err != nil {
		return err
	}
	if err := os.Symlink(file, link); err != nil {
		return err
	}
	if err := os.Symlink(loop, loop); err != nil {
		return err
	}
	if fileFD, err = syscall.Open(file, syscall.O_RDWR|syscall.O_CLOEXEC, 0); err != nil {
		return err
	}
	if fileOS, err = os.OpenFile(file, os.O_RDWR, 0); err != nil {
		return err
	}
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		return err
	}
	pipeFD = p[0]
	return setupLock(filepath.Join(dir, "lock"))
}

// setupLock opens a file twice and locks it through the first description, so
// that a try through the second one fails for ever.
func setupLock(path string) error {
	holder, err := syscall.Open(path, syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	if err := syscall.Flock(holder, syscall.LOCK_EX); err != nil {
		return err
	}
	lockedFD, err = syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	return err
}

// Dir is the directory of the markers' files, for what else a server serves.
func Dir() string { return dir }

// Cleanup removes the files.
func Cleanup() error { return os.RemoveAll(dir) }
