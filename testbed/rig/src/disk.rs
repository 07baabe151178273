//! A disk that is slow in a known way: a loop device whose writes the block layer throttles.

use std::fs::{self, File};
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

/// A file system on such a disk. When it is dropped, whatever it changed is as it was; nobody may hold a file on it then.
#[derive(Debug)]
pub struct SlowDisk {
    // Where the image is, and the file system beside it.
    dir: TempDir,
    device: String,
    throttle: PathBuf,
}

impl SlowDisk {
    /// Makes one that takes so many writes per second; an error says what of it the environment does not allow.
    pub fn new(writes_per_second: u32) -> Result<Self, String> {
        let throttle = throttle_file()?;
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let (image, at) = (dir.path().join("image"), dir.path().join("slow"));
        fs::create_dir(&at).map_err(|e| e.to_string())?;
        File::create(&image)
            .and_then(|f| f.set_len(32 << 20))
            .map_err(|e| e.to_string())?;
        // No journal: its kernel thread is in no cgroup of ours, and an fsync would wait for two.
        run("mkfs.ext4", &["-q", "-O", "^has_journal", path(&image)])?;
        // "loop" frees the device as it is unmounted.
        run("mount", &["-o", "loop", path(&image), path(&at)])?;
        let device = fs::metadata(&at).map_err(|e| e.to_string())?.st_dev();
        let device = format!("{}:{}", libc::major(device), libc::minor(device));
        let disk = Self {
            dir,
            device,
            throttle,
        };
        disk.limit(writes_per_second)?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("slow")
    }

    /// 0 takes the limit away.
    fn limit(&self, writes_per_second: u32) -> Result<(), String> {
        let line = if self.throttle.ends_with("io.max") {
            let limit = match writes_per_second {
                0 => "max".to_owned(),
                n => n.to_string(),
            };
            format!("{} wiops={limit}", self.device)
        } else {
            format!("{} {writes_per_second}", self.device)
        };
        fs::write(&self.throttle, line).map_err(|e| format!("{}: {e}", self.throttle.display()))
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        let _ = self.limit(0);
        // Whoever had files here may have been killed a moment ago only.
        for _ in 0..50 {
            if run("umount", &[path(&self.path())]).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        eprintln!("{} is still mounted", self.path().display());
    }
}

/// The file that throttles what this process, and so its children, write: of the cgroup it is in.
fn throttle_file() -> Result<PathBuf, String> {
    let groups = fs::read_to_string("/proc/self/cgroup").map_err(|e| e.to_string())?;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else {
            continue;
        };
        let group = group.trim_start_matches('/');
        let file = if controllers.is_empty() {
            Path::new("/sys/fs/cgroup").join(group).join("io.max")
        } else if controllers.split(',').any(|c| c == "blkio") {
            Path::new("/sys/fs/cgroup")
                .join(controllers)
                .join(group)
                .join("blkio.throttle.write_iops_device")
        } else {
            continue;
        };
        if file.exists() {
            return Ok(file);
        }
    }
    Err("no cgroup that could throttle a disk".to_owned())
}

fn path(p: &Path) -> &str {
    p.to_str().expect("a path of a temporary directory")
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let out = Command::new(program)
        .args(args)
        .output()
        .map_err(|e| format!("{program}: {e}"))?;
    if out.status.success() {
        return Ok(());
    }
    Err(format!(
        "{program}: {}",
        String::from_utf8_lossy(&out.stderr)
    ))
}
