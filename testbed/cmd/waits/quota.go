package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// quota is the cgroup whose CPU quota the whole server has.
type quota struct {
	dir string
	fd  int // its cpu.stat
}

// newQuota moves the process into a cgroup of its own below the present one; the
// upstream process removes it when this one is gone, however it ended.
// spec is quota/period, such as 10ms/50ms.
func newQuota(spec string) (*quota, error) {
	parts := strings.SplitN(spec, "/", 2)
	var us [2]string
	for i := range us {
		if i >= len(parts) {
			return nil, strconv.ErrSyntax
		}
		d, err := time.ParseDuration(parts[i])
		if err != nil {
			return nil, err
		}
		us[i] = strconv.FormatInt(int64(d/time.Microsecond), 10)
	}
	parent, v2, err := cpuCgroup()
	if err != nil {
		return nil, err
	}
	q := &quota{dir: quotaDir(parent)}
	if err := os.Mkdir(q.dir, 0o755); err != nil {
		return nil, err
	}
	write := func(file, text string) {
		if err == nil {
			err = os.WriteFile(q.dir+"/"+file, []byte(text), 0o644)
		}
	}
	if v2 {
		write("cpu.max", us[0]+" "+us[1])
	} else {
		write("cpu.cfs_period_us", us[1])
		write("cpu.cfs_quota_us", us[0])
	}
	write("cgroup.procs", strconv.Itoa(os.Getpid()))
	if err == nil {
		q.fd, err = syscall.Open(q.dir+"/cpu.stat", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	}
	return q, err
}

func quotaDir(parent string) string { return parent + "/gostall-waits-" + strconv.Itoa(os.Getpid()) }

// cpuCgroup is the directory of our own cgroup in the hierarchy that has the CPU
// controller.
func cpuCgroup() (dir string, v2 bool, err error) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", false, err
	}
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.SplitN(line, ":", 3)
		if len(f) != 3 {
			continue
		}
		for _, c := range strings.Split(f[1], ",") {
			dir := strings.TrimSuffix("/sys/fs/cgroup/"+f[1]+f[2], "/")
			if _, err := os.Stat(dir); c == "cpu" && err == nil {
				return dir, false, nil
			}
		}
		if f[0] == "0" {
			dir = strings.TrimSuffix("/sys/fs/cgroup"+f[2], "/")
		}
	}
	return dir, true, nil
}

// throttled is the cgroup's throttled time so far.
func (q *quota) throttled() time.Duration {
	var buf [1024]byte
	n, _ := syscall.Pread(q.fd, buf[:], 0)
	for _, line := range strings.Split(string(buf[:n]), "\n") {
		f := strings.Fields(line)
		if len(f) != 2 {
			continue
		}
		v, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "throttled_time":
			return time.Duration(v)
		case "throttled_usec":
			return time.Duration(v) * time.Microsecond
		}
	}
	return 0
}

// removeCgroup takes a cgroup away when its last task has left, and that may
// take the kernel a moment.
func removeCgroup(dir string) {
	for i := 0; i < 200; i++ {
		if err := os.Remove(dir); err == nil || os.IsNotExist(err) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
