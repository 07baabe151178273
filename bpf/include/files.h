/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What lies behind a descriptor. */
#ifndef GOSTALL_FILES_H
#define GOSTALL_FILES_H

/* The kernel's file behind a descriptor of the current task. */
static __always_inline struct file *file_of(struct task_struct *task, __u32 fd)
{
	struct files_struct *files = task->files;
	struct file **array, *file = 0;

	if (!files || fd >= BPF_CORE_READ(files, fdt, max_fds))
		return 0;
	array = BPF_CORE_READ(files, fdt, fd);
	bpf_probe_read_kernel(&file, sizeof(file), array + fd);
	return file;
}

#define MODE_FMT 0170000
#define MODE_SOCK 0140000

static __always_inline int is_socket(__u32 fd)
{
	struct file *file = file_of(bpf_get_current_task_btf(), fd);

	return file && (BPF_CORE_READ(file, f_inode, i_mode) & MODE_FMT) == MODE_SOCK;
}

#endif
