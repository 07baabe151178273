# ./dev real [NAME...]: real servers, as Debian and the Go module proxy have them, put under gostall. Each gets an exact
# number of requests; what doctor, report and trace say is held against that, and printed as a table.
# REAL_TIMES=10 is ten times the load. GOSTALL names another binary than target/release/gostall. Nothing is installed: all lies below target/real.
# shellcheck shell=bash

. scripts/real-servers.sh

real_all="caddy prometheus node-exporter etcd docker-registry syncthing influxdb nats rclone caddy-2.11 caddy-2.11-tls pocketbase coredns"
real_failed=0

# real_deb PACKAGE: unpacks it once.
real_deb() {
	[ ! -e "$real/deb/$1/.done" ] || return 0
	command -v apt-get >/dev/null || die "apt-get is missing: $1 comes from Debian"
	mkdir -p "$real/deb/$1"
	(
		cd "$real/deb"
		apt-get download -q "$1" || { apt-get update -q && apt-get download -q "$1"; }
	) >"$real/deb/$1.log" 2>&1 || die "apt-get download $1: $(tail -n2 "$real/deb/$1.log")"
	dpkg -x "$real/deb/$1"_*.deb "$real/deb/$1"
	rm -f "$real/deb/$1"_*.deb
	touch "$real/deb/$1/.done"
}

# real_go NAME MODULE@VERSION [TOOLCHAIN]: builds it once; its go.mod may want a newer Go than the machine's.
real_go() {
	[ ! -x "$real/go/$1" ] || return 0
	say "building $2 (minutes)"
	rm -rf "$real/go/$1.d"
	(cd / && GOBIN=$real/go/$1.d CGO_ENABLED=0 GOTOOLCHAIN=${3:-local} go install "$2") >"$real/go-$1.log" 2>&1 ||
		die "go install $2: $(tail -n3 "$real/go-$1.log")"
	mv "$real/go/$1.d"/* "$real/go/$1"
	rmdir "$real/go/$1.d"
}

# real_port: a port that nobody has just now.
real_port() {
	local p
	while :; do
		p=$((20000 + RANDOM % 12000))
		(: </dev/tcp/127.0.0.1/$p) 2>/dev/null || break
	done
	echo "$p"
}

# real_exec COMMAND...: what a server's function ends with; its output goes to a file.
real_exec() { exec "$@" </dev/null >"$dir/server.log" 2>&1; }

# attached PID: waits until this gostall's probes are in place and its window is open.
real_attached() {
	local _
	for _ in $(seq 200); do
		kill -0 "$1" 2>/dev/null || return 1
		[ "$(grep -l link_id: /proc/"$1"/fdinfo/* 2>/dev/null | wc -l)" -lt 4 ] || break
		sleep 0.05
	done
	# The marks on the threads, and learning from a large binary, come after the links.
	sleep 2
}

# real_one NAME: one server from its start to its end; a line of the table, and below it what was not exact.
real_one() {
	local name=$1 dir server pid ask base plan flags doctor=0 report=0 trace=0 lines exact sent out lost
	dir=$(mktemp -d)
	plan=$dir/plan
	flags=()
	rm -rf "${real:?}/failed/$name"
	"real_${name//[-.]/_}"
	ask=("$real/ask" -times "$times" -plan "$plan" -base "$base" "${flags[@]}")
	server=${children[-1]}
	if ! "${ask[@]}" -wait 30s -wait-only 2>"$dir/ask.log"; then
		say "$name does not start: $(cat "$dir/ask.log") $(tail -n3 "$dir/server.log")"
		real_failed=1
		return
	fi
	timeout 60 "$gostall" doctor -p "$server" >"$dir/doctor" 2>&1 || doctor=$?

	timeout 180 "$gostall" report -p "$server" -d 150s --format json -o "$dir/report.json" 2>"$dir/report.log" &
	pid=$!
	children+=("$pid")
	sent=ok
	real_attached "$(real_child "$pid")" || true
	"${ask[@]}" 2>"$dir/ask.log" || sent=wrong
	sleep 0.5
	kill -INT "$(real_child "$pid")" 2>/dev/null || true
	wait "$pid" || report=$?
	exact=0
	out=$("$real/ask" -times "$times" -plan "$plan" -report "$dir/report.json" 2>&1) || exact=1

	timeout 60 "$gostall" trace -p "$server" -d 50s -e write,writev,sendfile --limit 200 >"$dir/trace" 2>"$dir/trace.log" &
	pid=$!
	children+=("$pid")
	real_attached "$(real_child "$pid")" || true
	"${ask[@]}" 2>>"$dir/ask.log" || true
	sleep 0.5
	kill -INT "$(real_child "$pid")" 2>/dev/null || true
	wait "$pid" || trace=$?
	# Those that name an endpoint: "TIME [TID gN GET /hello] write(...".
	lines=$(grep -cE '^[^(]* (GET|POST|HEAD) [^(]*\] ' "$dir/trace" || true)

	local alive=yes
	kill -0 "$server" 2>/dev/null || alive=DEAD
	lost=$(real_json events_lost "$dir/report.json")
	printf '%-16s %-12s %-8s %6s  %6s  %5s  %5s  %-5s %4s  %s\n' "$name" "$version" "$(real_json go_version "$dir/report.json")" \
		"$doctor" "$report" "$trace" "$lines" "$alive" "$lost" "$(tail -n1 <<<"$out")"
	head -n -1 <<<"$out"
	[ "$sent" = ok ] || sed -n '1,5s/^/  /p' "$dir/ask.log"
	if [ "$doctor$report$exact$trace$alive$sent$lost" != 0000yesok0 ] || [ "$lines" = 0 ]; then
		real_failed=1
		mkdir -p "$real/failed"
		cp -r "$dir" "$real/failed/$name" 2>/dev/null || true
	fi
	end_children
	rm -rf "$dir"
}

# real_child PID: gostall below its timeout.
real_child() {
	local c
	sleep 0.1
	c=$(cat "/proc/$1/task/$1/children" 2>/dev/null) || true
	c=${c%% *}
	echo "${c:-$1}"
}

# real_json KEY FILE: the first value of a key that is a word or a number.
real_json() { sed -n 's/^.*"'"$1"'": *"\{0,1\}\(go\)\{0,1\}\([^",]*\).*$/\2/p' "$2" 2>/dev/null | head -n1; }

cmd_real() {
	need_root "./dev real"
	need_go
	gostall=${GOSTALL-}
	if [ -z "$gostall" ]; then
		need_build
		cargo build --release --locked --quiet -p gostall
		gostall=$target/release/gostall
	fi
	mkdir -p "$target/real/go" "$target/real/deb"
	real=$(cd "$target/real" && pwd)
	(cd testbed && CGO_ENABLED=0 GOTOOLCHAIN=local go build -o "$real/ask" ./cmd/ask)
	times=${REAL_TIMES:-1}
	local name
	# shellcheck disable=SC2086 # a list of words
	[ $# -gt 0 ] || set -- $real_all
	for name; do
		declare -F "real_${name//[-.]/_}" >/dev/null || die "no server $name: $real_all"
	done
	# doctor, report and trace: their exit codes.
	printf '%-16s %-12s %-8s %6s  %6s  %5s  %5s  %-5s %4s  %s\n' server version go doctor report trace lines alive lost "requests that the report has"
	for name; do real_one "$name"; done
	[ "$real_failed" = 0 ]
}
