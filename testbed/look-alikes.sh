#!/bin/sh
# The ledgers of faults that look alike (docs/look-alikes.md): starts cmd/pairs
# with one fault at a time, asks it for some seconds, and prints what
# `gostall report --exact` says of it, a Markdown row each. Root; cgroup v1.
#
#   testbed/look-alikes.sh GOSTALL [SIDE...]
set -eu

[ $# -ge 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
gostall=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
group=/sys/fs/cgroup/cpu/gostall-pairs-$$
net=gostall-pairs-$$
server=
netns=

clean() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	[ -z "$server" ] || wait "$server" 2>/dev/null || true
	server=
	ip netns del "$net" 2>/dev/null || true
	rmdir "$group" 2>/dev/null || true
	if mountpoint -q "$tmp/disk"; then
		dev=$(stat -c '%Hd:%Ld' "$tmp/disk")
		for way in read write; do echo "$dev 0" >"/sys/fs/cgroup/blkio/blkio.throttle.${way}_iops_device"; done
		umount "$tmp/disk"
	fi
}
trap 'clean; rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM

(cd "$here" && CGO_ENABLED=0 go build -o "$tmp/pairs" ./cmd/pairs && CGO_ENABLED=1 go build -o "$tmp/pairs-cgo" ./cmd/pairs)

# A loop device of which the kernel lets so many reads or writes through a second.
slow_disk() {
	truncate -s 256M "$tmp/image"
	mkfs.ext4 -q -O ^has_journal "$tmp/image"
	mkdir -p "$tmp/disk"
	mount -o loop "$tmp/image" "$tmp/disk"
}

throttle() {
	dev=$(stat -c '%Hd:%Ld' "$tmp/disk")
	echo "$dev $2" >"/sys/fs/cgroup/blkio/blkio.throttle.${1}_iops_device"
}

namespace() {
	ip netns add "$net"
	ip netns exec "$net" ip link set lo up
	netns="ip netns exec $net"
}

# measure LABEL SIDE CLIENT: the row of a server whose side is the one, asked as the other is.
measure() {
	label=$1 side=$2 client=$3
	# shellcheck disable=SC2086 # $netns and $before are lists of plain words
	$netns $before "${program:-$tmp/pairs}" -side "$side" -dir "$tmp/disk" >"$tmp/ready" 2>"$tmp/server.err" &
	server=$!
	for _ in $(seq 200); do
		grep -q ready "$tmp/ready" && break
		sleep 0.1
	done
	addr=$(awk '/ready/{print $2}' "$tmp/ready")
	[ "$label" != page-cache-miss ] || throttle read 60
	# Whatever was put before it has executed it in place.
	pid=$server
	[ "$label" != cpu-throttled ] || {
		mkdir -p "$group"
		echo 50000 >"$group/cpu.cfs_period_us"
		echo 10000 >"$group/cpu.cfs_quota_us"
		echo "$pid" >"$group/cgroup.procs"
	}
	# shellcheck disable=SC2086
	$netns "$tmp/pairs" -side "$client" -drive "$addr" -for 1m >"$tmp/drive" 2>&1 &
	driver=$!
	sleep 1
	"$gostall" report --pid "$pid" --exact -d 6s --format json -o "$tmp/report.json" 2>"$tmp/gostall.err" || cat "$tmp/gostall.err" >&2
	jq -r --arg fault "$label" '
		def top($n): to_entries | sort_by(-.value) | .[:$n];
		([.endpoints[] | select(.route == "/work")][0]) as $e
		| ($e.latency.total_ns // 0) as $t
		| ([$e.ledger // {} | top(6)[] | select(.value * 200 >= $t) | "\(.key) \((.value * 1000 / $t | round) / 10)"] | join(", ")) as $ledger
		| ([($e.syscalls // [])[] | {k: "\(.name) \(.result)", n: (.count / ($e.requests | if . == 0 then 1 else . end))}] | sort_by(-.n) | .[:5] | map("\(.k) \((.n * 100 | round) / 100)") | join(", ")) as $calls
		| ([(.runtime[] | select(.role == "connection") | .syscalls[] | select(.name == "accept4") | "accept4 \(.result) \(.count)")] | join(", ")) as $accepts
		| "| `\($fault)` | \($e.requests // 0) | \((($e.latency.p50_ns // 0) / 10000 | round) / 100) | \($ledger) | \($calls) | \($accepts) |"
	' "$tmp/report.json"
	kill "$driver"
	wait "$driver" 2>/dev/null || true
	clean
	netns='' before='' program=
}

sides=${*:-accept-queue-overflow acceptor-gated connection-burst fd-exhaustion slow-reader rate-limited-path \
	response-body-not-drained idle-pool-too-small dns-timeout-go dns-timeout-cgo slow-fsync page-cache-miss \
	log-pipe-blocked mutex-contention cpu-saturated cpu-throttled noisy-neighbour gc-churn scavenger-thrash}
netns='' before='' program=
mkdir -p "$tmp/disk"
echo '| fault | requests | p50, ms | ledger, % of the wall time | calls a request | accepts |'
echo '|---|---|---|---|---|---|'
for what in $sides; do
	case $what in
	accept-queue-overflow)
		namespace
		ip netns exec "$net" sysctl -qw net.core.somaxconn=16
		measure "$what" gated gated
		;;
	acceptor-gated) measure "$what" gated gated ;;
	connection-burst)
		namespace
		ip netns exec "$net" sysctl -qw net.core.somaxconn=16
		measure "$what" plain burst
		;;
	fd-exhaustion)
		before='prlimit --nofile=16:16'
		measure "$what" plain cpu
		;;
	slow-reader) measure "$what" large-body slow-reader ;;
	rate-limited-path)
		namespace
		ip netns exec "$net" tc qdisc add dev lo root tbf rate 20mbit burst 256kb latency 400ms
		measure "$what" large-body throttled
		;;
	response-body-not-drained) measure "$what" not-drained throttled ;;
	idle-pool-too-small) measure "$what" idle-pool idle-pool ;;
	dns-timeout-go | dns-timeout-cgo)
		printf 'nameserver 127.0.0.2\noptions timeout:1 attempts:2\n' >"$tmp/resolv.conf"
		[ "$what" = dns-timeout-go ] || program=$tmp/pairs-cgo
		printf '#!/bin/sh\nmount --bind %s/resolv.conf /etc/resolv.conf\nexec "$@"\n' "$tmp" >"$tmp/with-dns"
		chmod +x "$tmp/with-dns"
		before="unshare -m $tmp/with-dns env GODEBUG=netdns=${what#dns-timeout-}"
		python3 -c 'import socket,time
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(("127.0.0.2",53)); time.sleep(20)' &
		sink=$!
		measure "$what" dns dns
		kill "$sink" 2>/dev/null || true
		;;
	slow-fsync)
		slow_disk
		throttle write 60
		measure "$what" fsync fsync
		;;
	page-cache-miss)
		slow_disk
		measure "$what" page-cache page-cache
		;;
	log-pipe-blocked) measure "$what" log-pipe log-pipe ;;
	mutex-contention) measure "$what" mutex mutex ;;
	cpu-saturated) measure "$what" cpu cpu ;;
	cpu-throttled) measure "$what" throttled throttled ;;
	noisy-neighbour) measure "$what" neighbour neighbour ;;
	gc-churn) measure "$what" gc-churn gc-churn ;;
	scavenger-thrash) measure "$what" scavenger scavenger ;;
	*)
		echo "no fault $what" >&2
		exit 2
		;;
	esac
done
