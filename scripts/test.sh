# ./dev test: the whole suite, step by step, each with its duration; ends with `N passed, N failed`.
# shellcheck shell=bash

logs=
passed=0
failed=0
failures=()

# step NAME FUNCTION...: runs it, counts what its output says (cargo's and Go's tests; else the step itself is one),
# and shows the output only where it failed.
step() {
	local name=$1 log status=0 start=$SECONDS p f
	shift
	log="$logs/${name// /-}.log"
	if [ -t 1 ]; then printf '%-28s ...\r' "$name"; fi
	("$@") </dev/null >"$log" 2>&1 || status=$?
	# "test result: ok. 5 passed; 0 failed; ..." and "--- PASS: TestX (0.01s)"
	p=$(awk '/^test result: /{n += $4} /^--- PASS: /{n++} END{print n+0}' "$log")
	f=$(awk '/^test result: /{n += $6} /^--- FAIL: /{n++} END{print n+0}' "$log")
	if [ "$status" != 0 ] && [ "$f" = 0 ]; then f=1; fi
	if [ "$status" = 0 ] && [ "$p" = 0 ]; then p=1; fi
	passed=$((passed + p))
	failed=$((failed + f))
	printf '%-28s %5s passed %3s failed %5s s\n' "$name" "$p" "$f" $((SECONDS - start))
	if [ "$status" != 0 ] || [ "$f" != 0 ]; then
		failures+=("$name: $log")
		sed 's/^/    /' "$log" | tail -n 300
	fi
}

# Nothing that a test started may outlive it: whatever still bears this run's mark in its environment is named.
leftovers() {
	local p pid found=0
	sleep 0.5
	for p in /proc/[0-9]*; do
		pid=${p#/proc/}
		[ "$pid" != $$ ] && [ "$pid" != "$BASHPID" ] || continue
		grep -qz "^GOSTALL_TEST_RUN=$GOSTALL_TEST_RUN$" "$p/environ" 2>/dev/null || continue
		# This very pipeline.
		grep -q "^PPid:[[:space:]]*\($$\|$BASHPID\)$" "$p/status" 2>/dev/null && continue
		say "left behind: $pid $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null)"
		found=1
	done
	return $found
}

cargo_test() { cargo test --locked --quiet --no-fail-fast "$@"; }
unit() { cargo_test --workspace --exclude gostall; }
unit_quick() {
	cargo_test --workspace --exclude gostall --exclude gostall-gobin &&
		cargo_test -p gostall-gobin --lib
}
end_to_end() {
	local t tests=()
	for t in gostall/tests/*.rs; do
		t=$(basename "$t" .rs)
		# A step of its own: it builds for minutes where nothing is cached.
		[ "$t" = matrix ] || tests+=(--test "$t")
	done
	cargo_test -p gostall --bins "${tests[@]}"
}
matrix() { cargo_test -p gostall --test matrix; }
end_to_end_quick() { cargo_test -p gostall --bins --test contract --test lifecycle; }
build_all() { cargo build --workspace --all-targets --locked --quiet; }
go_tests() { cd testbed && go test -v ./...; }
go_tests_quick() { cd testbed && go test -v ./cmd/... ./internal/...; }
fuzz_short() { fuzz_seconds 20; }

cmd_test() {
	local form=${1:-normal} start=$SECONDS
	case $form in
	normal | --quick | --full) ;;
	*) die "./dev test $form: give --quick, --full or nothing" ;;
	esac
	need_root "./dev test"
	need_tests
	need_lint
	mkdir -p "$target"
	logs=$(cd "$target" && pwd)/dev-test
	rm -rf "$logs"
	mkdir -p "$logs"
	export CARGO_TERM_COLOR=never GOSTALL_TEST_RUN=$$-$RANDOM
	[ "$form" != --full ] || export GOSTALL_FULL=1

	step "format" lint_rustfmt
	step "clippy" lint_clippy
	step "go vet, gofmt" lint_go
	step "shell" lint_shell
	step "build" build_all
	case $form in
	--quick)
		step "unit" unit_quick
		step "testbed" go_tests_quick
		step "end to end" end_to_end_quick
		;;
	normal)
		step "unit, property, corpus" unit
		step "testbed" go_tests
		step "end to end" end_to_end
		step "Go releases, build kinds" matrix
		step "fuzz" fuzz_short
		;;
	--full)
		step "unit, property, corpus" unit
		step "testbed" go_tests
		step "end to end" end_to_end
		step "Go releases, build kinds" matrix
		step "fuzz" fuzz_inputs
		;;
	esac
	step "nothing left behind" leftovers

	local f
	for f in "${failures[@]+"${failures[@]}"}"; do say "failed: $f"; done
	say "in $(((SECONDS - start) / 60)) min $(((SECONDS - start) % 60)) s"
	say "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}
