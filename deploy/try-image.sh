#!/usr/bin/env bash
# Runs what the Dockerfile makes, without Docker: the program alone in a directory that
# is its whole file system, with the image's user, environment, entry point and health
# check. There is no libc, no shell, no /tmp, no /etc/passwd and no /proc in it. As root.
set -euo pipefail
cd "$(dirname "$0")/.."
die() { echo "try: FAILED: $*" >&2; exit 1; }

CGO_ENABLED=0 ${GO:-go} build -trimpath -o bin/host/ingestd ./cmd/ingestd
root=$(mktemp -d) daemon=''
trap '[ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null || true; rm -rf "$root"' EXIT
chmod 755 "$root"
install -D bin/host/ingestd "$root/usr/bin/ingestd"
install -d -o 65532 -g 65532 "$root/data"

# ENV, ENTRYPOINT, CMD and HEALTHCHECK of the Dockerfile.
text=$(sed -e ':a' -e '/\\$/{N;s/\\\n *//;ba' -e '}' Dockerfile)
mapfile -t environment < <(sed -n 's/^ENV //p' <<<"$text" | tr ' ' '\n' | grep =)
words() { tr -d '[],' | tr -d '"'; }
entry=$(sed -n 's/^ENTRYPOINT //p' <<<"$text" | words)
command=$(sed -n 's/^CMD //p' <<<"$text" | words)
workdir=$(sed -n 's/^WORKDIR //p' <<<"$text" | tail -n 1)
python=$(command -v python3) || die "it needs python3"
health=$(sed -nE 's/^HEALTHCHECK .*CMD //p' <<<"$text" | words)
[ ${#environment[@]} -ge 4 ] && [ "$entry" = /usr/bin/ingestd ] && [ "$command" = run ] || die "the Dockerfile is not understood"

# It gives up root after it has gone in, so that nothing but the program is there.
within() {
	exec env -i "${environment[@]}" "$python" -c 'import os, sys
os.chroot(sys.argv[1]); os.chdir(sys.argv[2])
os.setgroups([]); os.setgid(65532); os.setuid(65532)
os.execv(sys.argv[3], sys.argv[3:])' "$root" "$workdir" "$@"
}

(within $entry $command) >"$root.log" 2>&1 & daemon=$!
trap '[ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null || true; rm -rf "$root" "$root.log"' EXIT
for _ in $(seq 150); do
	grep -q "ready: " "$root.log" && (within $health) >/dev/null 2>&1 && well=1 && break
	kill -0 "$daemon" 2>/dev/null || break
	read -rt 0.1 <> <(:) || true
done
[ "${well:-}" = 1 ] || { cat "$root.log" >&2; die "the health check is never content"; }
grep -q '0.0.0.0:7001\|\[::\]:7001' "$root.log" || { cat "$root.log" >&2; die "it does not listen on every address"; }
[ "$(ps -o uid= -p "$daemon" | tr -d ' ')" = 65532 ] || die "the user"
echo '{"id":"a","seq":1,"data":1}' | bin/host/ingestd send --client try >/dev/null 2>&1 || die "a message is not stored"
[ -n "$(ls "$root/data")" ] && [ "$(ls "$root")" = "$(printf 'data\nusr')" ] || die "it writes elsewhere than to /data: $(ls "$root" "$root/data")"
kill -TERM "$daemon"
status=0; wait "$daemon" || status=$?
daemon=''
[ $status = 0 ] || { cat "$root.log" >&2; die "exit status $status"; }
! (within $health) >/dev/null 2>&1 || die "the health check is content with nothing"
[ -e "$root/data/ingest.db" ] || { ls -la "$root/data" >&2; die "the database is not on the volume"; }
echo "try: the image's program runs alone as 65532, stores, is well, and drains"
