#!/usr/bin/env bash
# Finds what the tests need, and installs what is missing where it may: a C
# compiler, for the race detector; Python, for the script in the README; Python, Node.js
# and a browser with what they need to speak websocket, for the example clients; curl and
# zstd, for the examples in docs/protocol.md; strace, which shows what comes before an
# ack and makes disks fail; and the MariaDB server, of which the tests start one of their
# own. With INGEST_MYSQL_DSN set they use that server instead.
set -euo pipefail

have() { PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v "$1" >/dev/null; }

missing=()
have "${CC:-gcc}" || missing+=(gcc libc6-dev)
have python3 || missing+=(python3)
have curl || missing+=(curl)
have zstd || missing+=(zstd)
have strace || missing+=(strace)
have node || missing+=(nodejs)
NODE_PATH="${NODE_PATH:-}:/usr/share/nodejs" node -e 'globalThis.WebSocket ?? require("ws")' 2>/dev/null || missing+=(node-ws)
python3 -c 'import websockets' 2>/dev/null || /usr/bin/python3 -c 'import websockets' 2>/dev/null || missing+=(python3-websockets)
have chromium || have chromium-browser || have google-chrome || missing+=(chromium)
have promtool || missing+=(prometheus)
if [ -z "${INGEST_MYSQL_DSN:-}" ]; then
	have mariadbd && have mariadb-install-db || missing+=(mariadb-server)
fi
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! have apt-get; then
	echo "The tests need what these Debian packages hold: ${missing[*]}" >&2
	echo "Install it, or set INGEST_MYSQL_DSN to use a MySQL server that there is." >&2
	exit 1
fi

echo "installing ${missing[*]}" >&2
# The tests start their own server: the package need not start one as well.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod +x $policy
	trap 'rm -f $policy' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y --no-install-recommends "${missing[@]}" </dev/null >&2; }
# The package lists may be old, or not there at all.
install || { apt-get update >&2 && install; }
