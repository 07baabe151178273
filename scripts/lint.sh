# ./dev lint: formats and lints, nothing is run.
# shellcheck shell=bash

lint_rustfmt() { cargo fmt --all --check; }
lint_clippy() { cargo clippy --workspace --all-targets --locked --quiet -- -D warnings; }
lint_go() {
	local unformatted
	unformatted=$(gofmt -l testbed)
	if [ -n "$unformatted" ]; then
		say "not formatted by gofmt: $unformatted"
		return 1
	fi
	local module
	for module in testbed testbed/grpc testbed/routers; do
		(cd "$module" && go vet ./...) || return 1
	done
}
lint_shell() {
	local f
	for f in dev scripts/*.sh .ci/run; do bash -n "$f" || return 1; done
	# Where shellcheck is installed it is used; it is not worth 100 MB of packages.
	! command -v shellcheck >/dev/null || shellcheck -x -S warning dev scripts/*.sh .ci/run
}

need_lint() {
	need_build
	need_go
	if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
		rustup component add rustfmt clippy >/dev/null 2>&1 || die "rustfmt or clippy is missing: rustup component add rustfmt clippy"
	fi
}

cmd_lint() {
	need_lint
	lint_rustfmt
	lint_clippy
	lint_go
	lint_shell
}
