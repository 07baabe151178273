# The servers of ./dev real. Each function starts one in the background on 127.0.0.1 and sets what real_one goes by:
# base (its URL), version, flags (of testbed/cmd/ask), and the plan: COUNT METHOD PATH STATUS ROUTE [BODY], whose first
# request tells that the server is ready. ROUTE "=" is PATH; testbed/cmd/ask/plan.go has the rest.
# shellcheck shell=bash disable=SC2034,SC2154 # base, version, flags, plan, dir, real are real_one's

real_caddy() {
	real_deb caddy
	real_caddy_of "$real/deb/caddy/usr/bin/caddy" http 2.6.2
}
real_caddy_2_11() {
	real_go caddy github.com/caddyserver/caddy/v2/cmd/caddy@v2.11.9
	real_caddy_of "$real/go/caddy" http v2.11.9
}
real_caddy_2_11_tls() {
	real_go caddy github.com/caddyserver/caddy/v2/cmd/caddy@v2.11.9
	real_caddy_of "$real/go/caddy" https v2.11.9
}

# real_caddy_of BINARY SCHEME VERSION: one that was built by `go install` does not know its own version.
# caddy routes by its own matchers: paths are all that can be known.
real_caddy_of() {
	local port upstream
	port=$(real_port) upstream=$(real_port)
	mkdir -p "$dir/www/css"
	for i in 1 2 3; do head -c 3000 /dev/zero >"$dir/www/css/$i.css"; done
	cat >"$dir/Caddyfile" <<CADDY
{
	admin off
	skip_install_trust
	auto_https disable_redirects
	storage file_system $dir/storage
	servers {
		protocols h1 h2
	}
}
$2://localhost:$port {
	$([ "$2" = http ] || echo "tls internal")
	bind 127.0.0.1
	handle /hello {
		respond "hello" 200
	}
	handle /teapot {
		respond "no coffee" 418
	}
	handle /broken {
		error "on purpose" 500
	}
	handle_path /proxy/* {
		reverse_proxy 127.0.0.1:$upstream
	}
	handle /static/* {
		uri strip_prefix /static
		root * $dir/www
		file_server
	}
	handle {
		respond 404
	}
}
http://127.0.0.1:$upstream {
	bind 127.0.0.1
	respond "from above {uri}" 200
}
CADDY
	cat >"$plan" <<PLAN
60 GET /hello 200 =
60 GET /teapot 418 =
40 GET /broken 500 =
80 GET /proxy/items/%d 200 /proxy/items/{id}
+80 GET /items/%d 200 /items/{id}
60 GET /static/css/1.css 200 /static/css/1.css|/static/css/{id}|/static/{path...}
40 GET /nowhere 404 /nowhere|(unmatched)
40 POST /hello 200 = {"x":1}
PLAN
	base=$2://localhost:$port
	[ "$2" = http ] || flags=(-h2)
	version=$3
	HOME=$dir background real_exec "$1" run --config "$dir/Caddyfile" --adapter caddyfile
}

real_prometheus() {
	local port
	port=$(real_port)
	real_deb prometheus
	echo 'global: {scrape_interval: 1h}' >"$dir/config.yml"
	cat >"$plan" <<'PLAN'
30 GET /-/ready 200 =
30 GET /-/healthy 200 =
20 GET /metrics 200 =
60 GET /api/v1/query?query=up%2B%d 200 =
40 POST /api/v1/query 200 /api/v1/query query=up
40 GET /api/v1/query_range?query=up&start=0&end=60&step=15 200 =
30 GET /api/v1/query?query=%28 400 =
20 GET /api/v1/labels 200 =
20 GET /api/v1/label/job/values 200 /api/v1/label/{name}/values
20 GET /api/v1/label/instance/values 200 /api/v1/label/{name}/values
20 GET /api/v1/targets 200 =
20 GET /api/v1/status/buildinfo 200 =
PLAN
	base=http://127.0.0.1:$port
	version=$("$real/deb/prometheus/usr/bin/prometheus" --version 2>&1 | sed -n 's/^prometheus, version \([^ ]*\).*/\1/p')
	background real_exec "$real/deb/prometheus/usr/bin/prometheus" --config.file="$dir/config.yml" \
		--storage.tsdb.path="$dir/data" --web.listen-address="127.0.0.1:$port"
}

real_node_exporter() {
	local port
	port=$(real_port)
	real_deb prometheus-node-exporter
	cat >"$plan" <<'PLAN'
20 GET / 200 /|/{path...}
40 GET /metrics 200 =
20 GET /metrics?collect[]=loadavg 200 =
20 GET /metrics?collect[]=nosuch 400 =
PLAN
	base=http://127.0.0.1:$port
	version=$("$real/deb/prometheus-node-exporter/usr/bin/prometheus-node-exporter" --version 2>&1 | sed -n 's/^.*version \([^ ]*\).*/\1/p' | head -n1)
	background real_exec "$real/deb/prometheus-node-exporter/usr/bin/prometheus-node-exporter" --web.listen-address="127.0.0.1:$port"
}

# etcd's JSON gateway calls etcd itself over gRPC: as many calls again.
real_etcd() {
	local port peer
	port=$(real_port) peer=$(real_port)
	real_deb etcd-server
	cat >"$plan" <<'PLAN'
30 GET /health 200 =
30 GET /version 200 =
20 GET /metrics 200 =
100 POST /v3/kv/put 200 = {"key":"Zm9v","value":"YmFy"}
100 POST /v3/kv/range 200 = {"key":"Zm9v"}
20 POST /v3/lease/grant 200 = {"TTL":"600"}
30 POST /v3/kv/range 400 = {"nonsense":1}
20 GET /nowhere 404 /nowhere|(unmatched)
+100 POST /etcdserverpb.KV/Put 0 =
+100 POST /etcdserverpb.KV/Range 0 =
+30 POST /etcdserverpb.KV/Range 3 =
+20 POST /etcdserverpb.Lease/LeaseGrant 0 =
PLAN
	base=http://127.0.0.1:$port
	version=$("$real/deb/etcd-server/usr/bin/etcd" --version | sed -n 's/^etcd Version: //p')
	background real_exec "$real/deb/etcd-server/usr/bin/etcd" --data-dir "$dir/data" --name a \
		--listen-client-urls "$base" --advertise-client-urls "$base" \
		--listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
		--initial-cluster "a=http://127.0.0.1:$peer"
}

# The registry's templates are gorilla/mux's, with regular expressions in them.
real_docker_registry() {
	local port
	port=$(real_port)
	real_deb docker-registry
	cat >"$dir/config.yml" <<CONFIG
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $dir/data}}
http: {addr: 127.0.0.1:$port}
CONFIG
	cat >"$plan" <<'PLAN'
60 GET /v2/ 200 =
40 GET /v2/_catalog 200 =
40 GET /v2/team/app%d/tags/list 404 /v2/{name}/tags/list|/v2/team/{id}/tags/list|/v2/team/{slug}/tags/list
40 GET /v2/team/app%d/manifests/latest 404 /v2/{name}/manifests/{reference}|/v2/team/{id}/manifests/latest|/v2/team/{slug}/manifests/latest
40 HEAD /v2/team/app%d/manifests/latest 404 /v2/{name}/manifests/{reference}|/v2/team/{id}/manifests/latest|/v2/team/{slug}/manifests/latest
40 POST /v2/team/app/blobs/uploads/ 202 /v2/{name}/blobs/uploads/|/v2/team/app/blobs/uploads/
20 GET /nowhere 404 /nowhere|(unmatched)
PLAN
	base=http://127.0.0.1:$port
	version=$("$real/deb/docker-registry/usr/bin/docker-registry" --version | sed 's/.* //')
	background real_exec "$real/deb/docker-registry/usr/bin/docker-registry" serve "$dir/config.yml"
}

real_syncthing() {
	local port bin=$real/deb/syncthing/usr/bin/syncthing
	port=$(real_port)
	real_deb syncthing
	"$bin" generate --home="$dir/home" >/dev/null 2>&1 || true
	# Nothing leaves this machine.
	sed -i -e 's#<\(globalAnnounceEnabled\|localAnnounceEnabled\|relaysEnabled\|natEnabled\|crashReportingEnabled\|startBrowser\)>true<#<\1>false<#' \
		-e 's#<urAccepted>0<#<urAccepted>-1<#' -e "s#<listenAddress>default<#<listenAddress>tcp://127.0.0.1:$(real_port)<#" "$dir/home/config.xml"
	cat >"$plan" <<'PLAN'
100 GET /rest/system/ping 200 =
40 POST /rest/system/ping 200 =
40 GET /rest/system/status 200 =
40 GET /rest/config 200 =
20 GET /rest/config/folders 200 =
20 GET /rest/config/devices/NONE 400 /rest/config/devices/{id}|/rest/config/devices/NONE
20 GET /rest/svc/lang 200 =
20 GET /rest/nowhere 404 /rest/nowhere|(unmatched)|/rest/{path...}
PLAN
	base=http://127.0.0.1:$port
	flags=(-header "X-API-Key: testbed")
	version=$("$bin" --version | cut -d' ' -f2)
	# STMONITORED: without the parent process that restarts it.
	STMONITORED=yes STNOUPGRADE=1 background real_exec "$bin" serve --home="$dir/home" --no-browser --no-restart \
		--gui-address="127.0.0.1:$port" --gui-apikey=testbed
}

real_influxdb() {
	local port
	port=$(real_port)
	real_deb influxdb
	cat >"$dir/config" <<CONFIG
reporting-disabled = true
bind-address = "127.0.0.1:$(real_port)"
[meta]
dir = "$dir/meta"
[data]
dir = "$dir/data"
wal-dir = "$dir/wal"
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:$port"
log-enabled = false
CONFIG
	cat >"$plan" <<'PLAN'
1 POST /query 200 = q=CREATE+DATABASE+d
40 GET /ping 204 =
40 HEAD /ping 204 =
100 POST /write?db=d 204 /write m,host=a%d value=%d
60 GET /query?db=d&q=SELECT+*+FROM+m 200 =
30 GET /query 400 =
20 GET /debug/vars 200 =
20 GET /nowhere 404 /nowhere|(unmatched)
PLAN
	base=http://127.0.0.1:$port
	version=$("$real/deb/influxdb/usr/bin/influxd" version | cut -d' ' -f2)
	background real_exec "$real/deb/influxdb/usr/bin/influxd" run -config "$dir/config"
}

# NATS itself is no HTTP; its monitoring is.
real_nats() {
	local port
	port=$(real_port)
	real_deb nats-server
	cat >"$plan" <<'PLAN'
40 GET /varz 200 =
60 GET /connz 200 =
40 GET /routez 200 =
40 GET /subsz 200 =
40 GET /healthz 200 =
20 GET / 200 /|/{path...}
PLAN
	base=http://127.0.0.1:$port
	version=$("$real/deb/nats-server/usr/sbin/nats-server" --version | sed 's/.*v//')
	background real_exec "$real/deb/nats-server/usr/sbin/nats-server" -a 127.0.0.1 -p "$(real_port)" -m "$port"
}

real_rclone() {
	local port
	port=$(real_port)
	real_deb rclone
	cat >"$plan" <<'PLAN'
60 POST /rc/noop 200 = {"a":1}
40 POST /core/version 200 = {}
40 POST /core/stats 200 = {}
40 POST /core/memstats 200 = {}
40 POST /rc/error 500 = {}
20 POST /nowhere/at-all 404 /nowhere/at-all|(unmatched)|/{path...} {}
PLAN
	base=http://127.0.0.1:$port
	version=$("$real/deb/rclone/usr/bin/rclone" version | sed -n '1s/rclone v//p')
	HOME=$dir background real_exec "$real/deb/rclone/usr/bin/rclone" rcd --rc-no-auth --rc-addr "127.0.0.1:$port" --config "$dir/rclone.conf"
}

# PocketBase registers ServeMux patterns of Go 1.22.
real_pocketbase() {
	local port
	port=$(real_port)
	real_go pocketbase github.com/pocketbase/pocketbase/examples/base@v0.40.4 go1.27.3
	cat >"$plan" <<'PLAN'
60 GET /api/health 200 =
40 GET /api/collections/users/records 200 /api/collections/{collection}/records
40 GET /api/collections/nosuch%d/records 404 /api/collections/{collection}/records
40 GET /api/collections/users/records/id%d 404 /api/collections/{collection}/records/{id}
40 POST /api/collections/users/auth-with-password 400 /api/collections/{collection}/auth-with-password {"identity":"a","password":"b"}
40 GET /api/settings 401 =
PLAN
	base=http://127.0.0.1:$port
	version=v0.40.4
	background real_exec "$real/go/pocketbase" serve --http "127.0.0.1:$port" --dir "$dir/data"
}

# CoreDNS: HTTP for its health only; DNS over UDP belongs to no endpoint. It asks itself for /health every second.
real_coredns() {
	local health ready
	health=$(real_port) ready=$(real_port)
	real_go coredns github.com/coredns/coredns@v1.15.0
	cat >"$dir/Corefile" <<COREFILE
.:$(real_port) {
	bind 127.0.0.1
	health 127.0.0.1:$health
	ready 127.0.0.1:$ready
	whoami
}
COREFILE
	cat >"$plan" <<'PLAN'
60 GET /ready 200 =
* GET /health 200 =
40 GET /nowhere 404 /nowhere|(unmatched)
PLAN
	base=http://127.0.0.1:$ready
	version=v1.15.0
	background real_exec "$real/go/coredns" -conf "$dir/Corefile"
}
