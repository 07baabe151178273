#!/bin/sh
# Builds the testbed's servers with a chosen Go release and build kind, and its
# clients with the machine's own Go.
#
#   testbed/build.sh OUTDIR [GOVERSION] [KIND]
#
# GOVERSION  1.19.13, go1.27.3, ... or "local" (default)
# KIND       static   CGO_ENABLED=0 (default)
#            pie      CGO_ENABLED=0 -buildmode=pie
#            cgo      linked to the C library
#            cgopie   linked to the C library, -buildmode=pie
#            cgostatic  the C library linked in statically
#            sw       static, without symbols and DWARF: -ldflags "-s -w"
#            strip    static, then strip(1)
#            cgostrip cgo, then strip(1): how Debian ships Go servers
#            trimpath static, without the building machine's paths
#            noopt    static, neither optimized nor inlined: -gcflags=all="-N -l"
#            race     cgo, with the race detector
#            pgo      static, optimized by hello.pgo (Go 1.20 or later): the
#                     functions of net/http that probes might go to are inlined
set -eu

servers="truth waits background handshakes hello demo morph"
clients="drive waits-drive judge load"

usage() {
	sed -n '2,22s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

[ $# -ge 1 ] && [ $# -le 3 ] || usage
mkdir -p "$1"
out=$(cd "$1" && pwd)
version=${2:-local}
kind=${3:-static}
here=$(cd "$(dirname "$0")" && pwd)
[ "$version" = local ] || version="go${version#go}"

# Nothing newer than the last build of the same sort: done.
stamp="$out/.testbed-$version-$kind"
if [ -e "$stamp" ] && [ -z "$(find "$here" \( -name '*.go' -o -name go.mod -o -name build.sh -o -name '*.pgo' \) -newer "$stamp" -print -quit)" ]; then
	missing=
	for p in $servers $clients; do [ -x "$out/$p" ] || missing=1; done
	[ -n "$missing" ] || exit 0
fi
rm -f "$out"/.testbed-*

# Go before 1.21 refuses to build from inside the module cache, where
# GOTOOLCHAIN puts it; a copy of its tree elsewhere works.
go_server() {
	case $version in
	local) GOTOOLCHAIN=local go "$@" ;;
	go1.1[0-9].* | go1.20.* | go1.1[0-9] | go1.20)
		copy="${XDG_CACHE_HOME:-$HOME/.cache}/gostall-testbed/$version"
		if [ ! -x "$copy/bin/go" ]; then
			root=$(cd / && GOTOOLCHAIN=$version go env GOROOT)
			mkdir -p "$(dirname "$copy")"
			rm -rf "$copy.$$"
			cp -r "$root" "$copy.$$"
			chmod -R u+w "$copy.$$"
			# Two builds at once: the first one's copy stays.
			mv -T "$copy.$$" "$copy" 2>/dev/null || rm -rf "$copy.$$"
		fi
		GOTOOLCHAIN=local GOROOT=$copy "$copy/bin/go" "$@"
		;;
	*) GOTOOLCHAIN=$version go "$@" ;;
	esac
}

cgo=0
mode=
ldflags=
gcflags=
case $kind in
static | strip) ;;
pie) mode=-buildmode=pie ;;
cgo | cgostrip) cgo=1 ;;
cgopie) cgo=1 mode=-buildmode=pie ;;
cgostatic) cgo=1 ldflags="-linkmode external -extldflags -static" ;;
sw) ldflags="-s -w" ;;
trimpath) mode=-trimpath ;;
noopt) gcflags="all=-N -l" ;;
race) cgo=1 mode=-race ;;
pgo) mode=-pgo=$here/hello.pgo ;;
*) usage ;;
esac

list() { for p; do echo "./cmd/$p"; done; }
cd "$here"
# shellcheck disable=SC2046,SC2086 # lists of plain words
CGO_ENABLED=$cgo go_server build $mode -gcflags "$gcflags" -ldflags "$ldflags" -o "$out/" $(list $servers)
# shellcheck disable=SC2046
CGO_ENABLED=0 GOTOOLCHAIN=local go build -o "$out/" $(list $clients)
case $kind in
*strip) for p in $servers; do strip -s "$out/$p"; done ;;
esac
touch "$stamp"
