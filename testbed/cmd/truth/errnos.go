package main

import m "gostall/testbed/internal/marker"

// errnoEndpoints fail in many ways, each way another number of times.
func errnoEndpoints() []*endpoint {
	all := func(c *call) {
		c.marks()
		c.answer()
	}
	return []*endpoint{
		{method: "GET", route: "/errnos/files", serve: all, steps: []step{
			{m.ReadlinkatEINVAL, 1}, {m.ReadlinkatENOENT, 2}, {m.ReadlinkatOK, 3},
			{m.FaccessatENOENT, 4}, {m.FaccessatELOOP, 5}, {m.FaccessatENOTDIR, 6}, {m.FaccessatOK, 7},
			{m.OpenatELOOP, 8}, {m.OpenatENOTDIR, 9},
			{m.MkdiratEEXIST, 3}, {m.SymlinkatEEXIST, 5}, {m.LinkatENOENT, 7},
		}},
		{method: "GET", route: "/errnos/descriptors", serve: all, steps: []step{
			{m.FsyncEBADF, 7}, {m.FdatasyncEBADF, 6}, {m.FstatfsEBADF, 5}, {m.FlockEBADF, 4}, {m.FlockEAGAIN, 3},
			{m.DupEBADF, 2}, {m.TeeEBADF, 1}, {m.SyncFileRangeEBADF, 3}, {m.FallocateEBADF, 2},
			{m.Pread64ESPIPE, 5}, {m.FtruncateEINVAL, 4}, {m.IoctlENOTTY, 3}, {m.GetsocknameBadSock, 2},
			{m.Getdents64ENOTDIR, 6}, {m.InotifyEINVAL, 2}, {m.TimerfdEINVAL, 3},
		}},
		{method: "GET", route: "/errnos/process", serve: all, steps: []step{
			{m.KillESRCH, 3}, {m.Wait4ECHILD, 4}, {m.GetpgidESRCH, 5}, {m.GetsidESRCH, 6},
			{m.GetpriorityEINVAL, 7}, {m.GetrusageEINVAL, 2}, {m.GetcwdERANGE, 3},
		}},
		{method: "GET", route: "/errnos/memory", serve: all, steps: []step{
			{m.MincoreEINVAL, 2}, {m.MincoreENOMEM, 3}, {m.MsyncEINVAL, 4}, {m.MlockENOMEM, 5}, {m.MremapEINVAL, 6},
		}},
		{method: "GET", route: "/errnos/names", serve: all, steps: []step{
			{m.StatfsENOENT, 3}, {m.StatfsENAMETOOLONG, 2}, {m.StatfsOK, 1},
		}},
	}
}
