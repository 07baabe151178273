# ./dev bench [--quick]: measures the bars and writes BENCHMARKS.md.
# shellcheck shell=bash

cmd_bench() {
	need_root "./dev bench"
	need_tests
	need_packages bpftrace=bpftrace unshare=util-linux h2load=nghttp2-client
	cargo build --release --locked --quiet -p gostall -p gostall-bench
	cargo test --locked --quiet --no-run -p gostall --test quantiles
	"$target/release/gostall-bench" "$target/release/gostall" "$@"
}
