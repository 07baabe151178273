#!/bin/sh
# Builds the truths that need other modules than the standard library: gRPC and
# the routers of frameworks.
#
#   testbed/modules.sh OUTDIR [GOVERSION] [LDFLAGS]
#
# GOVERSION  1.24.11, ... or "local" (default); for the servers. Go 1.24 is the oldest
# LDFLAGS    of the servers, e.g. "-s -w"
set -eu
[ $# -ge 1 ] && [ $# -le 3 ] || {
	sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
	exit 2
}
mkdir -p "$1"
out=$(cd "$1" && pwd)
toolchain=local
case ${2:-local} in local) ;; *) toolchain="go${2#go}" ;; esac
cd "$(dirname "$0")"
for module in grpc routers; do
	[ -d $module ] || continue
	(
		cd $module
		CGO_ENABLED=0 GOTOOLCHAIN=$toolchain go build -ldflags "${3-}" -o "$out/$module-truth" ./server
		CGO_ENABLED=0 GOTOOLCHAIN=local go build -o "$out/$module-drive" ./drive
	)
done
