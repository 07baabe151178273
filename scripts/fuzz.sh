# ./dev fuzz [SECONDS]: every target in fuzz/, with stable Rust's own coverage pass.
# shellcheck shell=bash

# fuzz_all SECONDS: seconds for each target. What it finds stays in fuzz/artifacts.
fuzz_all() {
	local seconds=$1 triple name out
	triple=$(rustc -vV | sed -n 's/^host: //p')
	out=$target/fuzz
	# Nightly's -Zsanitizer is not needed: the sanitizer coverage pass is in every LLVM.
	RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$out RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1" \
		cargo build --manifest-path fuzz/Cargo.toml --release --quiet --target "$triple"
	for f in fuzz/fuzz_targets/*.rs; do
		name=$(basename "$f" .rs)
		mkdir -p "fuzz/corpus/$name" "fuzz/artifacts/$name"
		say "fuzz $name for $seconds s"
		# Seeds, where the target has a way to make some.
		"$out/$triple/release/$name" -max_total_time="$seconds" -use_value_profile=1 -timeout=10 -rss_limit_mb=2048 \
			-print_final_stats=1 -verbosity=0 -artifact_prefix="fuzz/artifacts/$name/" "fuzz/corpus/$name" || return 1
	done
}

cmd_fuzz() {
	need_build
	fuzz_all "${1:-60}"
}
