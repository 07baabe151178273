# ./dev demo: the demo API under load, watched by report and trace.
# shellcheck shell=bash

demo_server() { exec "$1/demo" -addr 127.0.0.1:0 -dir "$2" >"$2/server.out"; }
demo_load() { exec "$1/demo" -addr "$2" -load 60s -rate 300 >"$3/load.out" 2>&1; }

cmd_demo() {
	need_root "./dev demo"
	need_build
	need_go
	say "building (the first time takes some minutes)"
	cargo build --release --locked --quiet -p gostall
	local bin="$target/testbed/local-static" dir addr server
	mkdir -p "$bin"
	testbed/build.sh "$bin"
	dir=$(mktemp -d)
	# shellcheck disable=SC2064 # the directory of now
	trap "end_children; rm -rf '$dir'" EXIT

	background demo_server "$bin" "$dir"
	server=${children[-1]}
	for _ in $(seq 50); do
		addr=$(sed -n 's/^ready //p' "$dir/server.out" 2>/dev/null)
		[ -z "$addr" ] || break
		sleep 0.1
	done
	[ -n "$addr" ] || die "the demo API does not start: $(cat "$dir/server.out")"
	background demo_load "$bin" "$addr" "$dir"
	sleep 1

	cat <<TEXT

A small order API (testbed/cmd/demo) runs as pid $server on $addr, with 300 requests a second on it. It was built
without any thought of tracing, and is not told of it now.

\$ gostall report --port ${addr##*:} -d 5s --top 5 --snapshots 3

TEXT
	"$target/release/gostall" report --port "${addr##*:}" -d 5s --top 5 --snapshots 3
	cat <<TEXT

What is seen above:
  - the endpoints, those first whose requests took the most time in all. Path segments that vary are {id};
    "(unmatched)" is what the router has no handler for.
  - below each, its system calls: how often per request, how long, with which result. POST /api/orders spends nearly
    all of its time in one fsync per order; GET /api/orders/{id}, which makes no slow call at all, waits for the same
    lock, hence its slow P99. GET /api/search waits for another service: its calls are short, its latency is not.
  - OUTSIDE OF REQUESTS: what Go's scheduler, network poller and collector did. Those calls are nobody's fault.
  - SLOWEST CALLS: single calls with the file or connection, the goroutine and its stack.
  - at the top: what share of the calls could be charged, and what watching cost.

\$ gostall trace --port ${addr##*:} -d 2s -e fsync,write,openat --slower 200us --limit 12

TEXT
	"$target/release/gostall" trace --port "${addr##*:}" -d 2s -e fsync,write,openat --slower 200us --limit 12
	cat <<TEXT

Each line is one system call as it happened: time, thread, goroutine, endpoint, the call as strace writes it, its
duration. On a server of your own:  sudo $target/release/gostall report --port 8080
TEXT
}
