package marker

import (
	"os"
	"syscall"
	"unsafe"
)

// Paths as C strings, for the raw calls; a path of 300 letters in one segment
// is longer than any file system takes.
var longName = func() []byte {
	b := make([]byte, 301)
	for i := range b[:300] {
		b[i] = 'n'
	}
	return b
}()

var vector = syscall.Iovec{Base: &scratch[3400], Len: 16}

// Markers about files. Those with a path go through Go's own wrappers, as
// handlers do.
var (
	ReadlinkatOK       = kind("readlinkat", "ok", library(func() error { _, err := os.Readlink(link); return err }))
	ReadlinkatEINVAL   = kind("readlinkat", "EINVAL", library(func() error { _, err := os.Readlink(file); return err }))
	ReadlinkatENOENT   = kind("readlinkat", "ENOENT", library(func() error { _, err := os.Readlink(missing); return err }))
	FaccessatOK        = kind("faccessat", "ok", library(func() error { return syscall.Access(file, 4) }))
	FaccessatENOENT    = kind("faccessat", "ENOENT", library(func() error { return syscall.Access(missing, 4) }))
	FaccessatELOOP     = kind("faccessat", "ELOOP", library(func() error { return syscall.Access(loop, 4) }))
	FaccessatENOTDIR   = kind("faccessat", "ENOTDIR", library(func() error { return syscall.Access(file+"/x", 4) }))
	StatfsOK           = kind("statfs", "ok", library(func() error { var s syscall.Statfs_t; return syscall.Statfs(dir, &s) }))
	StatfsENOENT       = kind("statfs", "ENOENT", library(func() error { var s syscall.Statfs_t; return syscall.Statfs(missing, &s) }))
	StatfsENAMETOOLONG = kind("statfs", "ENAMETOOLONG", slow(syscall.SYS_STATFS, uintptr(unsafe.Pointer(&longName[0])), ptr(1024), 0))
	FstatfsOK          = kind("fstatfs", "ok", library(func() error { var s syscall.Statfs_t; return syscall.Fstatfs(fileFD, &s) }))
	FstatfsEBADF       = kind("fstatfs", "EBADF", slow(syscall.SYS_FSTATFS, badFD, ptr(1280), 0))
	MkdiratEEXIST      = kind("mkdirat", "EEXIST", library(func() error { return os.Mkdir(dir, 0o755) }))
	SymlinkatEEXIST    = kind("symlinkat", "EEXIST", library(func() error { return os.Symlink(file, link) }))
	LinkatENOENT       = kind("linkat", "ENOENT", library(func() error { return os.Link(missing, missing+"2") }))
	OpenatELOOP        = kind("openat", "ELOOP", library(func() error { _, err := os.Open(loop); return err }))
	OpenatENOTDIR      = kind("openat", "ENOTDIR", library(func() error { _, err := os.Open(file + "/x"); return err }))
	FsyncOK            = kind("fsync", "ok", library(func() error { return fileOS.Sync() }))
	FsyncEBADF         = kind("fsync", "EBADF", slow(syscall.SYS_FSYNC, badFD, 0, 0))
	FdatasyncOK        = kind("fdatasync", "ok", library(func() error { return syscall.Fdatasync(fileFD) }))
	FdatasyncEBADF     = kind("fdatasync", "EBADF", quick(syscall.SYS_FDATASYNC, badFD, 0, 0))
	PreadvOK           = kind("preadv", "ok", func() syscall.Errno {
		return slow(syscall.SYS_PREADV, uintptr(fileFD), uintptr(unsafe.Pointer(&vector)), 1)()
	})
	Pread64ESPIPE      = kind("pread64", "ESPIPE", library(func() error { var b [1]byte; _, err := syscall.Pread(pipeFD, b[:], 0); return err }))
	Pwrite64OK         = kind("pwrite64", "ok", library(func() error { _, err := fileOS.WriteAt(longName[:8], 64); return err }))
	FtruncateOK        = kind("ftruncate", "ok", library(func() error { return fileOS.Truncate(4096) }))
	FtruncateEINVAL    = kind("ftruncate", "EINVAL", library(func() error { return syscall.Ftruncate(pipeFD, 0) }))
	FchmodOK           = kind("fchmod", "ok", library(func() error { return fileOS.Chmod(0o644) }))
	FlockEAGAIN        = kind("flock", "EAGAIN", library(func() error { return syscall.Flock(lockedFD, syscall.LOCK_EX|syscall.LOCK_NB) }))
	FlockEBADF         = kind("flock", "EBADF", slow(syscall.SYS_FLOCK, badFD, syscall.LOCK_SH, 0))
	GetcwdOK           = kind("getcwd", "ok", slow(syscall.SYS_GETCWD, ptr(2048), 1024, 0))
	GetcwdERANGE       = kind("getcwd", "ERANGE", quick(syscall.SYS_GETCWD, ptr(2048), 1, 0))
	DupEBADF           = kind("dup", "EBADF", slow(syscall.SYS_DUP, badFD, 0, 0))
	IoctlENOTTY        = kind("ioctl", "ENOTTY", func() syscall.Errno { return slow(syscall.SYS_IOCTL, uintptr(fileFD), 0x5401, ptr(3200))() })
	GetsocknameBadSock = kind("getsockname", "ENOTSOCK", library(func() error { _, err := syscall.Getsockname(fileFD); return err }))
	Getdents64ENOTDIR  = kind("getdents64", "ENOTDIR", library(func() error { var b [64]byte; _, err := syscall.Getdents(fileFD, b[:]); return err }))
	TeeEBADF           = kind("tee", "EBADF", quick(syscall.SYS_TEE, badFD, badFD, 1))
	SyncFileRangeEBADF = kind("sync_file_range", "EBADF", slow(syscall.SYS_SYNC_FILE_RANGE, badFD, 0, 0))
	FallocateEBADF     = kind("fallocate", "EBADF", slow(syscall.SYS_FALLOCATE, badFD, 0, 0))
	InotifyEINVAL      = kind("inotify_init1", "EINVAL", slow(syscall.SYS_INOTIFY_INIT1, 1, 0, 0))
	TimerfdEINVAL      = kind("timerfd_create", "EINVAL", slow(syscall.SYS_TIMERFD_CREATE, 55, 0, 0))
)

// Markers about memory: calls on an address that is not on a page boundary or
// not mapped, so that they change nothing.
var (
	MincoreEINVAL = kind("mincore", "EINVAL", slow(syscall.SYS_MINCORE, 1, 4096, 0))
	MincoreENOMEM = kind("mincore", "ENOMEM", quick(syscall.SYS_MINCORE, 4096, 4096, ptr(3300)))
	MsyncEINVAL   = kind("msync", "EINVAL", slow(syscall.SYS_MSYNC, 1, 4096, 4))
	MlockENOMEM   = kind("mlock", "ENOMEM", slow(syscall.SYS_MLOCK, 4096, 4096, 0))
	MremapEINVAL  = kind("mremap", "EINVAL", slow(syscall.SYS_MREMAP, 1, 4096, 4096))
)
