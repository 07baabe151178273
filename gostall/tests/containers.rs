//! Targets in containers, and gostall in one: namespaces made with unshare(1), which is what a container's runtime
//! does.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use gostall_rig::{Report, Testbed, need_root};

const GOSTALL: &str = env!("CARGO_BIN_EXE_gostall");

/// Runs a script with the places of gostall, of a server and of a directory for results in its environment; its
/// standard error is shown when it fails.
fn script(dir: &Path, text: &str, more: &[(&str, &str)]) {
    let out = Command::new("timeout")
        .args(["60", "bash", "-c", text])
        .env("GOSTALL", GOSTALL)
        .env("SERVER", Testbed::local().program("morph"))
        .env("DIR", dir)
        .envs(more.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}: {}",
        out.status,
        String::from_utf8_lossy(&out.stderr)
    );
}

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn report(dir: &Path) -> Report {
    let text = read(dir, "report");
    Report(
        serde_json::from_str(&text)
            .unwrap_or_else(|e| panic!("{e}: {text}{}", read(dir, "stderr"))),
    )
}

/// A server with pid, mount and network namespaces of its own and a root of its own, whose executable is found
/// nowhere in ours (and, the second time, was deleted there); found by its port, in its network namespace.
#[test]
fn a_target_in_a_container() {
    need_root();
    for delete in ["", "1"] {
        let dir = tempfile::tempdir().unwrap();
        script(
            dir.path(),
            r#"
            set -u
            export INNER='
                set -e
                mount -t tmpfs none "$DIR"
                mkdir -p "$DIR/root/srv" "$DIR/root/proc"
                cp "$SERVER" "$DIR/root/srv/api"
                mount -t proc proc "$DIR/root/proc"
                ip link set lo up
                exec chroot "$DIR/root" /srv/api -addr 127.0.0.1:18765
            '
            unshare --pid --fork --kill-child --mount --net bash -c "$INNER" > "$DIR/out" & U=$!
            until grep -q ready "$DIR/out"; do sleep 0.05; done
            S=$(cat /proc/$U/task/$U/children | tr -d ' ')
            test -z "$DELETE" || rm /proc/$S/root/srv/api
            "$GOSTALL" report --port 18765 -d 30s --format json > "$DIR/report" 2> "$DIR/stderr" & G=$!
            sleep 2.5
            for i in 1 2 3 4; do nsenter -t $S -n curl -s http://127.0.0.1:18765/hello > /dev/null; done
            # In place, with a listener that it keeps: an exec in another pid namespace.
            if test -z "$DELETE"; then
                kill -HUP $S; sleep 1
                for i in 1 2 3; do nsenter -t $S -n curl -s http://127.0.0.1:18765/hello > /dev/null; done
            fi
            kill -INT $G; wait $G
            echo $S > "$DIR/pid"
            kill -9 $U; kill -9 $S; true
            "#,
            &[("DELETE", delete)],
        );
        let report = report(dir.path());
        assert_eq!(report.requests(), if delete.is_empty() { 7 } else { 4 });
        assert_eq!(report.at("/target/exe"), "/srv/api");
        assert_eq!(report.at("/target/attribution"), "goroutines");
        assert_eq!(
            report.int("/target/pid").to_string(),
            read(dir.path(), "pid").trim()
        );
    }
}

/// gostall with mount and network namespaces of its own, but the host's pids: a container with --pid=host.
#[test]
fn gostall_in_a_container_with_the_hosts_pids() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    script(
        dir.path(),
        r#"
        set -u
        "$SERVER" -addr 127.0.0.1:0 > "$DIR/out" & S=$!
        until grep -q ready "$DIR/out"; do sleep 0.05; done
        A=$(sed 's/ready //' "$DIR/out")
        unshare --mount --net "$GOSTALL" report --port ${A##*:} -d 30s --format json > "$DIR/report" 2> "$DIR/stderr" & G=$!
        sleep 2.5
        for i in 1 2 3; do curl -s http://$A/hello > /dev/null; done
        kill -INT $G; wait $G
        kill -9 $S
        "#,
        &[],
    );
    assert_eq!(report(dir.path()).requests(), 3);
}

/// gostall and its target in one pid namespace, which is not the host's: the numbers in the report are those of that
/// namespace, an exec is followed, and so is what a launched command starts.
#[test]
fn gostall_in_a_pid_namespace_of_its_own() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    let inside = |text: &str| {
        script(
            dir.path(),
            r#"exec unshare --pid --fork --kill-child --mount-proc bash -c "$INNER""#,
            &[("INNER", text)],
        );
    };
    inside(
        r#"
        set -u
        "$SERVER" -addr 127.0.0.1:0 > "$DIR/out" & S=$!
        until grep -q ready "$DIR/out"; do sleep 0.05; done
        A=$(sed 's/ready //' "$DIR/out")
        "$GOSTALL" report -p $S -d 30s --threshold 1us --format json > "$DIR/report" 2> "$DIR/stderr" & G=$!
        sleep 2.5
        ask() { for i in 1 2 3; do curl -s http://$A/hello > /dev/null; done; }
        ask
        kill -HUP $S; sleep 1
        ask
        kill -INT $G; wait $G
        echo $S > "$DIR/pid"
        kill -9 $S
        "#,
    );
    let pid: u64 = read(dir.path(), "pid").trim().parse().unwrap();
    let seen = report(dir.path());
    assert_eq!(seen.requests(), 6);
    assert_eq!(seen.int("/target/pid"), pid);
    assert!(seen.0.get("targets").is_none(), "one process");
    let snapshots = seen.at("/snapshots").as_array().unwrap();
    assert!(
        !snapshots.is_empty() && snapshots.iter().all(|s| s["pid"] == pid),
        "{snapshots:#?}"
    );

    // A shell that is no Go program starts the server.
    inside(
        r#"
        set -u
        "$GOSTALL" report -d 30s --format json -o "$DIR/report" -- sh -c '"$SERVER" -addr 127.0.0.1:0; true' > "$DIR/out" 2> "$DIR/stderr" & G=$!
        until grep -q ready "$DIR/out"; do sleep 0.05; done
        A=$(sed 's/ready //' "$DIR/out")
        sleep 1
        for i in 1 2 3 4; do curl -s http://$A/hello > /dev/null; done
        kill -INT $G; wait $G; true
        "#,
    );
    assert_eq!(report(dir.path()).requests(), 4);
}

/// What cannot work says what to do.
#[test]
fn pids_out_of_sight() {
    need_root();
    let dir = tempfile::tempdir().unwrap();
    for (flags, target) in [
        ("--mount-proc", "-p 99999"),
        ("--mount-proc", "--name no-such-server"),
        ("--mount-proc", "--port 1"),
        // The host's /proc with other pids: the wrong process would be traced.
        ("", "-p 1"),
        ("", "--name systemd"),
    ] {
        script(
            dir.path(),
            &format!(
                r#"unshare --pid --fork --kill-child {flags} "$GOSTALL" report {target} -d 1s > "$DIR/out" 2> "$DIR/stderr"
                echo $? > "$DIR/code""#
            ),
            &[],
        );
        let said = read(dir.path(), "stderr");
        assert_eq!(
            read(dir.path(), "code").trim(),
            "2",
            "{flags} {target}: {said}"
        );
        assert!(said.contains("--pid=host"), "{flags} {target}: {said}");
        assert_eq!(read(dir.path(), "out"), "");
    }
}
