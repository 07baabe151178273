#!/usr/bin/env bash
# One judged run: a server of the testbed, its driver, gostall in between, the judge.
#
#   testbed/judged.sh GOSTALL SERVER "SERVER FLAGS" DRIVER "DRIVER FLAGS" [JUDGE FLAGS...]
#
#   testbed/judged.sh target/release/gostall /tmp/tb/truth -tls /tmp/tb/drive "-h2 -n 40" -v
#
# SERVER and DRIVER are programs of build.sh or modules.sh; the judge is taken from beside them, or from $JUDGE.
# Exit code: the judge's. Needs root.
set -euo pipefail
[ $# -ge 5 ] || {
	sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
	exit 2
}
gostall=$1 server=$2 driver=$4
# shellcheck disable=SC2206 # lists of words
server_flags=($3) driver_flags=($5)
judge=${JUDGE:-$(dirname "$server")/judge}
shift 5

dir=$(mktemp -d)
pids=()
finish() {
	local p
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
	for p in "${pids[@]}"; do wait "$p" 2>/dev/null || true; done
	rm -rf "$dir"
}
trap finish EXIT

# said WORDS: waits until the server has said so.
said() {
	for _ in $(seq 100); do
		! grep -q "$1" "$dir/said" || return 0
		sleep 0.1
	done
	echo "judged: the server did not say $1" >&2
	exit 2
}

mkfifo "$dir/control"
"$server" -addr 127.0.0.1:0 -truth "$dir/truth.json" -tmp "$dir" "${server_flags[@]}" <"$dir/control" >"$dir/said" &
pids+=($!)
exec 9>"$dir/control"
said '^ready '
addr=$(sed -n 's/^ready //p' "$dir/said")
timeout 60 "$driver" -addr "$addr" "${driver_flags[@]}" -n 4 >/dev/null
echo reset >&9
said 'reset done'

"$gostall" report -p "${pids[0]}" -d 2m --format json -o "$dir/report.json" 2>"$dir/gostall" &
pids+=($!)
for _ in $(seq 200); do
	[ "$(grep -l link_id: /proc/"${pids[1]}"/fdinfo/* 2>/dev/null | wc -l)" -lt 4 ] || break
	sleep 0.05
done
# The marks on the threads, and learning from the binary, come after the links.
sleep 1.5
timeout 100 "$driver" -addr "$addr" "${driver_flags[@]}" -out "$dir/drive.json"
sleep 0.3
echo dump >&9
said 'dump done'
kill -INT "${pids[1]}"
wait "${pids[1]}" || {
	echo "judged: gostall: $(cat "$dir/gostall")" >&2
	exit 2
}
"$judge" -truth "$dir/truth.json" -report "$dir/report.json" -drive "$dir/drive.json" "$@"
