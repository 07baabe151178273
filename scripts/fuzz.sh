# ./dev fuzz [SECONDS]: every target in fuzz/ for so long.
# shellcheck shell=bash

fuzz_all() {
	local f
	for f in fuzz/fuzz_targets/*.rs; do
		# An absolute directory: the script changes to its own.
		CARGO_TARGET_DIR=$(mkdir -p "$target" && cd "$target" && pwd)/fuzz \
			fuzz/fuzz "$(basename "$f" .rs)" -max_total_time="$1" -print_final_stats=1 || return 1
	done
}

cmd_fuzz() {
	need_build
	fuzz_all "${1:-60}"
}
