# What the commands of ./dev share: messages, tools, processes that end with the script.
# shellcheck shell=bash

target=${CARGO_TARGET_DIR:-$root/target}
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}

say() { printf '%s\n' "$*"; }
die() {
	printf 'dev: %s\n' "$*" >&2
	exit 2
}

need_root() {
	[ "$(id -u)" = 0 ] || die "$1 loads eBPF programs and needs root: run it as root or with sudo -E"
}

# version_at_least HAVE WANT
version_at_least() {
	[ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n1)" = "$2" ]
}

need_rust() {
	command -v cargo >/dev/null || PATH=$PATH:$HOME/.cargo/bin
	command -v cargo >/dev/null ||
		die "Rust is missing: install it with  curl -sSf https://sh.rustup.rs | sh -s -- -y  and start again"
	local have
	have=$(rustc --version | cut -d' ' -f2)
	version_at_least "$have" 1.95 || die "Rust $have is too old: 1.95 or newer is needed: rustup update stable"
}

need_go() {
	command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
	command -v go >/dev/null || die "Go is missing: install 1.21 or newer from https://go.dev/dl"
	local have
	have=$(cd / && GOTOOLCHAIN=local go env GOVERSION)
	version_at_least "${have#go}" 1.21 || die "$have is too old: 1.21 or newer is needed, from https://go.dev/dl"
}

# Debian packages by what they bring: need_packages COMMAND=PACKAGE ... or lib:NAME=PACKAGE (pkg-config's name).
need_packages() {
	local item what missing=()
	for item; do
		what=${item%%=*}
		case $what in
		lib:*) command -v pkg-config >/dev/null && pkg-config --exists "${what#lib:}" || missing+=("${item#*=}") ;;
		*) command -v "$what" >/dev/null || missing+=("${item#*=}") ;;
		esac
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null || die "missing: ${missing[*]} (Debian's names): there is no apt here, install them by hand"
	[ "$(id -u)" = 0 ] || die "missing: ${missing[*]}: run  apt-get install ${missing[*]}  as root"
	say "installing ${missing[*]}"
	local log=/tmp/gostall-apt.$$
	if ! {
		apt-get update -q &&
			DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
	} </dev/null >"$log" 2>&1; then
		cat "$log" >&2
		rm -f "$log"
		die "apt-get could not install ${missing[*]}"
	fi
	rm -f "$log"
}

# What every build needs: a C compiler, clang for eBPF, libelf and zlib for libbpf.
need_build() {
	PATH=$PATH:/usr/sbin:/sbin
	local clang=clang-19=clang-19
	for c in clang-19 clang-18 clang-16; do
		command -v "$c" >/dev/null && clang=$c=$c && break
	done
	[ -z "${GOSTALL_CLANG-}${CLANG-}" ] || clang=true=true
	need_packages gcc=build-essential make=build-essential pkg-config=pkg-config "$clang" lib:libelf=libelf-dev lib:zlib=zlib1g-dev
	need_rust
}

# What the tests start besides: the wire's and the kernel's own witnesses.
need_tests() {
	need_build
	need_go
	need_packages strace=strace strip=binutils python3=python3-minimal curl=curl wrk=wrk
}

# Children of this script, by pid; they end with it whatever happens.
children=()
background() {
	"$@" &
	children+=($!)
}
end_children() {
	local pid
	for pid in "${children[@]+"${children[@]}"}"; do
		kill "$pid" 2>/dev/null || true
	done
	for pid in "${children[@]+"${children[@]}"}"; do
		wait "$pid" 2>/dev/null || true
	done
	children=()
}
trap end_children EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
