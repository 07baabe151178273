package main

import (
	"encoding/binary"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// files are the descriptors that handlers share.
type files struct {
	dir     string
	disk    string
	zero    int // /dev/zero
	sleeper string
	buffers sync.Pool
	locks   chan string // files of which each is one request's
	synced  chan *os.File
}

// slots is how many requests may use a file of their own at once.
const slots = 16

func newFiles(tmp, disk string) (*files, error) {
	f := &files{locks: make(chan string, slots), synced: make(chan *os.File, slots)}
	f.buffers.New = func() interface{} { return make([]byte, 1<<20) }
	var err error
	if f.dir, err = os.MkdirTemp(tmp, "gostall-waits-"); err != nil {
		return nil, err
	}
	f.disk = f.dir
	if disk != "" {
		if f.disk, err = os.MkdirTemp(disk, "gostall-waits-"); err != nil {
			return nil, err
		}
	}
	if f.zero, err = syscall.Open("/dev/zero", syscall.O_RDONLY|syscall.O_CLOEXEC, 0); err != nil {
		return nil, err
	}
	if f.sleeper, err = exec.LookPath("sleep"); err != nil {
		return nil, err
	}
	for i := 0; i < slots; i++ {
		name := f.dir + "/lock" + strconv.Itoa(i)
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			return nil, err
		}
		f.locks <- name
		file, err := os.Create(f.disk + "/synced" + strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		f.synced <- file
	}
	return f, nil
}

func (f *files) buffer() []byte { return f.buffers.Get().([]byte) }

func (f *files) put(b []byte) { f.buffers.Put(b) }

func (f *files) close() {
	os.RemoveAll(f.dir)
	os.RemoveAll(f.disk)
}

// stamp is a time as it goes through a pipe.
func stamp(t time.Time) []byte {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(t.Sub(origin)))
	return b[:]
}

func stamped(b []byte) time.Time {
	return origin.Add(time.Duration(binary.LittleEndian.Uint64(b)))
}

var origin = time.Now()

func pipeBlocking(c *call) { c.pipeBlocking(c.ms) }

// pipeBlocking reads a pipe that the poller does not know: the thread blocks.
func (c *call) pipeBlocking(d time.Duration) {
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC); err != nil {
		c.must("pipe2", err)
		return
	}
	defer syscall.Close(fds[0])
	defer syscall.Close(fds[1])
	c.elsewhere(func() {
		time.Sleep(d)
		syscall.Write(fds[1], stamp(time.Now()))
	})
	var b [8]byte
	start := time.Now()
	n, err := syscall.Read(fds[0], b[:])
	for err == syscall.EINTR {
		n, err = syscall.Read(fds[0], b[:])
	}
	if n == len(b) {
		c.until("syscall_pipe", start, stamped(b[:]))
	} else {
		c.must("read of a pipe", err)
	}
}

// pipePoller reads a pipe through the poller: the goroutine parks.
func pipePoller(c *call) {
	r, w, err := os.Pipe()
	if err != nil {
		c.must("pipe", err)
		return
	}
	defer r.Close()
	defer w.Close()
	c.elsewhere(func() {
		time.Sleep(c.ms)
		w.Write(stamp(time.Now()))
	})
	var b [8]byte
	start := time.Now()
	if n, err := r.Read(b[:]); n == len(b) {
		c.until("syscall_pipe", start, stamped(b[:]))
	} else {
		c.must("read of a pipe", err)
	}
}

// diskSync writes and syncs until the time is over: how long one takes is the
// disk's affair.
func diskSync(c *call) {
	file := <-c.files.synced
	defer func() { c.files.synced <- file }()
	buf := c.files.buffer()
	defer c.files.put(buf)
	data, fd := buf[:64<<10], int(file.Fd())
	t := measure(nil)
	defer t.stopBlocked(c.meter)
	for begin := time.Now(); time.Since(begin) < c.ms; {
		data[0]++
		if _, err := syscall.Pwrite(fd, data, 0); err != nil {
			c.must("pwrite", err)
			return
		}
		t.blocked(c.meter, "syscall_disk", func() { c.must("fsync", syscall.Fsync(fd)) })
	}
}

// flock waits for a lock on a file.
func flock(c *call) {
	name := <-c.files.locks
	defer func() { c.files.locks <- name }()
	var fds [2]int
	for i := range fds {
		fd, err := syscall.Open(name, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
		if err != nil {
			c.must("open", err)
			return
		}
		fds[i] = fd
		defer syscall.Close(fd)
	}
	released := c.held(c.ms,
		func() { syscall.Flock(fds[0], syscall.LOCK_EX) },
		func() { syscall.Flock(fds[0], syscall.LOCK_UN) })
	start := time.Now()
	err := syscall.Flock(fds[1], syscall.LOCK_EX)
	for err == syscall.EINTR {
		err = syscall.Flock(fds[1], syscall.LOCK_EX)
	}
	c.must("flock", err)
	c.until("syscall_lock", start, *released)
}

// nanosleep sleeps in the kernel, not in the Go scheduler.
func nanosleep(c *call) {
	start := time.Now()
	left := syscall.NsecToTimespec(int64(c.ms))
	for syscall.Nanosleep(&left, &left) == syscall.EINTR {
	}
	c.until("syscall_other", start, start.Add(c.ms))
}

// wait4 waits for a process that somebody else started: starting one waits for
// several things at once.
func wait4(c *call) {
	started := make(chan int)
	begin := time.Now()
	c.elsewhere(func() {
		seconds := strconv.FormatFloat(c.ms.Seconds(), 'f', 3, 64)
		pid, err := syscall.ForkExec(c.files.sleeper, []string{"sleep", seconds}, &syscall.ProcAttr{Env: os.Environ()})
		c.must("fork", err)
		started <- pid
	})
	pid := <-started
	c.add("channel", time.Since(begin))
	t := measure(nil)
	t.blocked(c.meter, "syscall_other", func() {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(pid, &status, 0, nil)
		for err == syscall.EINTR {
			_, err = syscall.Wait4(pid, &status, 0, nil)
		}
		c.must("wait4", err)
	})
	t.stopBlocked(c.meter)
}
