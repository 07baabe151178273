# ./dev fuzz [SECONDS]: every target in fuzz/, by default 10 million inputs each; or for so long.
# shellcheck shell=bash

# fuzz_all LIBFUZZER-OPTION...
fuzz_all() {
	local f
	for f in fuzz/fuzz_targets/*.rs; do
		f=$(basename "$f" .rs)
		say "fuzzing $f"
		# An absolute directory: the script changes to its own.
		CARGO_TARGET_DIR=$(mkdir -p "$target" && cd "$target" && pwd)/fuzz \
			fuzz/fuzz "$f" "$@" -print_final_stats=1 || return 1
	done
}

fuzz_inputs() { fuzz_all -runs=10000000; }
fuzz_seconds() { fuzz_all "-max_total_time=$1"; }

cmd_fuzz() {
	need_build
	if [ $# -gt 0 ]; then fuzz_seconds "$1"; else fuzz_inputs; fi
}
