#!/usr/bin/env bash
# Installs the deb on this machine, runs the command of its unit as the unit would,
# with a socket in place of systemd's, reloads, drains, removes and purges it; looks at
# the unit with systemd's own tools, and unpacks the rpm. `make try` makes the packages
# first. As root, on Debian; nothing of it is left. Systemd itself is never run.
set -euo pipefail
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"

said() { echo "try: $*"; }
die() { echo "try: FAILED: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "it installs a package: run it as root"
[ ! -e /usr/bin/ingestd ] && [ ! -e /var/lib/ingestd ] || die "ingestd is installed here already"
need=()
for pair in systemd-analyze:systemd rpm:rpm strace:strace setpriv:util-linux python3:python3 zsh:zsh fish:fish; do
	command -v "${pair%%:*}" >/dev/null || need+=("${pair##*:}")
done
[ ${#need[@]} = 0 ] || { apt-get install -y --no-install-recommends "${need[@]}" >&2 </dev/null ||
	{ apt-get update >&2 && apt-get install -y --no-install-recommends "${need[@]}" >&2 </dev/null; }; }

deb=$(ls bin/dist/ingestd_*_"$(dpkg --print-architecture)".deb) || die "there is no deb: make packages"
rpm=$(ls bin/dist/ingestd-*."$(uname -m)".rpm) || die "there is no rpm: make packages"
work=$(mktemp -d) && chmod 755 "$work"
daemon='' listener=''
clean() {
	[ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null || true
	[ -z "$listener" ] || kill "$listener" 2>/dev/null || true
	dpkg --purge ingestd >/dev/null 2>&1 || true
	! getent passwd ingestd >/dev/null || userdel ingestd
	rm -rf "$work"
}
trap clean EXIT

# --- installed
dpkg -i "$deb" >"$work/dpkg" 2>&1 || { cat "$work/dpkg"; die "dpkg -i"; }
[ "$(stat -c %a:%U:%G /etc/ingestd/config.hcl)" = 640:root:ingestd ] || die "the configuration's mode"
[ "$(stat -c %a:%U:%G /var/lib/ingestd)" = 750:ingestd:ingestd ] || die "the state directory's mode"
[ "$(getent passwd ingestd | cut -d: -f6,7)" = /var/lib/ingestd:/usr/sbin/nologin ] || die "the user"
dpkg --verify ingestd | grep -v 'c /etc' && die "files are not as packaged"
[ -e /usr/share/doc/ingestd/copyright ] || die "no copyright"
dpkg-query -W -f '${Conffiles}' ingestd | grep -q /etc/ingestd/config.hcl || die "no conffile"
DPKG_MAINTSCRIPT_PACKAGE=ingestd deb-systemd-helper --quiet was-enabled ingestd.service || die "not enabled, as Debian's services are"
ingestd check --config /etc/ingestd/config.hcl >"$work/check" || die "the packaged configuration"
grep -q '"/var/lib/ingestd/ingest.db"' "$work/check" || die "the packaged path of the database"
said "deb installed: $(ingestd version)"

# --- the unit, to systemd's tools
unit=/lib/systemd/system/ingestd.service
systemd-analyze verify "$unit" 2>"$work/verify" || true
! grep -i ingestd "$work/verify" || die "systemd-analyze verify"
systemd-analyze security --offline=true --threshold=15 "$unit" >"$work/security" || { cat "$work/security"; die "systemd-analyze security"; }
said "systemd-analyze verify: nothing to say of it; security: $(tail -n 1 "$work/security" | sed 's/.*: //')"

# --- the unit's command, as its user, with a socket in place of systemd's
cat >"$work/listen.py" <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
import os; os.chmod(sys.argv[1], 0o666)
with open(sys.argv[2], "a", buffering=1) as out:
    while True:
        out.write(s.recv(4096).decode().strip().replace("\n", " ") + "\n")
PY
python3 "$work/listen.py" "$work/notify" "$work/told" & listener=$!
for _ in $(seq 100); do [ ! -S "$work/notify" ] || break; read -rt 0.1 <> <(:) || true; done
setting() { sed -n "s|^$1=||p" "$unit"; }
hears() { # pattern, how often
	for _ in $(seq 300); do
		[ "$(grep -c -- "$1" "$work/told" 2>/dev/null)" -ge "${2:-1}" ] && return
		kill -0 "$daemon" 2>/dev/null || [ "$1" = STOPPING=1 ] || break
		read -rt 0.1 <> <(:) || true
	done
	cat "$work/told" "$work/log" >&2
	die "the service manager does not hear $1"
}
as_user=(setpriv --reuid ingestd --regid ingestd --clear-groups --no-new-privs --bounding-set -all --inh-caps -all)
begin() { # prefix...: runs ExecStart
	: >"$work/told"
	(
		cd "$(setting WorkingDirectory | sed 's|%S|/var/lib|')" && umask "$(setting UMask)" && { ulimit -n "$(setting LimitNOFILE)" 2>/dev/null || ulimit -n "$(ulimit -Hn)"; }
		exec env -i PATH=/usr/bin:/bin HOME=/var/lib/ingestd NOTIFY_SOCKET="$work/notify" WATCHDOG_USEC=400000 \
			"$@" "${as_user[@]}" $(setting ExecStart)
	) >"$work/log" 2>&1 & daemon=$!
	hears READY=1
}
finish() {
	kill -TERM "$1"
	wait "$daemon" || die "exit status $? of a drain"
	daemon=''
	hears STOPPING=1
}
begin
hears WATCHDOG=1 3
[ "$(ps -o user= -p "$daemon")" = ingestd ] || die "the daemon's user"
said "ExecStart: READY=1, WATCHDOG=1 again and again, as $(ps -o user= -p "$daemon")"
echo '{"id":"a","seq":1,"data":{"x":1}}' | ingestd send --client try >/dev/null 2>&1 || die "a message is not stored"
ingestd healthcheck --ready >/dev/null || die "healthcheck"
said "a message is stored, healthcheck is content"

sed -i 's/^  batch_size   = 10 /  batch_size   = 20 /' /etc/ingestd/config.hcl
reload() { MAINPID=$daemon "${as_user[@]}" sh -c "$(setting ExecReload | sed -e "s|^/bin/sh -c '||" -e "s|'\$||")"; }
reload 2>"$work/reload" || { cat "$work/reload"; die "ExecReload"; }
hears RELOADING=1.MONOTONIC_USEC= 1
hears READY=1 2
grep -q 'router.batch_size' "$work/log" || die "the log does not tell what has changed"
echo 'nonsense = 1' >>/etc/ingestd/config.hcl
! reload 2>"$work/reload" || die "ExecReload takes a wrong file"
grep -q nonsense "$work/reload" || die "the mistake is not named"
sed -i '$d' /etc/ingestd/config.hcl
said "ExecReload: RELOADING=1, READY=1; a file with a mistake is refused and named"

finish "$daemon"
grep -q 'stopped.*stored=1' "$work/log" || die "the drain does not tell what was stored"
[ -s /var/lib/ingestd/ingest.db ] || die "there is no database"
[ "$(stat -c %a:%U /var/lib/ingestd/ingest.db)" = 640:ingestd ] || die "the database's mode: $(stat -c %a:%U /var/lib/ingestd/ingest.db)"
said "SIGTERM: STOPPING=1, exit status 0"

# --- what the unit's filter lets through is enough
begin strace -f -qq -o "$work/calls"
pid=$(pgrep -P "$daemon" -x ingestd || true)
echo '{"id":"a","seq":2,"data":{"x":1}}' | ingestd send --client try >/dev/null 2>&1 || die "a message is not stored under strace"
finish "${pid:-$daemon}"
syscalls() { systemd-analyze syscall-filter "$1" | sed -n 's/^    \([a-z_0-9]*\)$/\1/p;s/^    @\(.*\)$/@\1/p' | while read -r name; do
	case $name in @*) syscalls "$name" ;; *) echo "$name" ;; esac; done; }
syscalls @system-service | sort -u >"$work/let"
{ syscalls @privileged; syscalls @resources; } | sort -u >"$work/denied"
comm -23 "$work/let" "$work/denied" >"$work/allowed"
# From where the daemon itself begins.
awk '/execve\("\/usr\/bin\/ingestd"/ {on = 1} on' "$work/calls" | sed -nE 's/^[0-9]+ +([a-z_0-9]+)\(.*/\1/p' | sort -u >"$work/used"
[ "$(wc -l <"$work/used")" -gt 20 ] || die "strace saw nothing"
# Go raises the limit of files, and does without where it may not: it is raised already.
missing=$(comm -23 "$work/used" "$work/allowed" | grep -vx -e prlimit64 -e setrlimit || true)
[ -z "$missing" ] || die "SystemCallFilter forbids what the daemon calls: $missing"
awk '/execve\("\/usr\/bin\/ingestd"/ {on = 1} on' "$work/calls" | grep -E '(mmap|mprotect).*PROT_WRITE\|PROT_EXEC' && die "MemoryDenyWriteExecute forbids what it does"
said "the filter of system calls lets through all $(wc -l <"$work/used") that it uses"

# --- completions
bash --norc -c 'source /usr/share/bash-completion/completions/ingestd; COMP_WORDS=(ingestd heal) COMP_CWORD=1; _ingestd; [ "${COMPREPLY[*]}" = healthcheck ]' || die "bash completion"
[ "$(fish --no-config -c 'source /usr/share/fish/vendor_completions.d/ingestd.fish; complete -C "ingestd heal"' | cut -f1)" = healthcheck ] || die "fish completion"
zsh -n /usr/share/zsh/vendor-completions/_ingestd || die "zsh completion"
said "completions: bash and fish complete, zsh reads its script"

# --- installed again over itself, removed, purged
echo '# mine' >>/etc/ingestd/config.hcl
dpkg -i --force-confdef --force-confold "$deb" >"$work/dpkg" 2>&1 || { cat "$work/dpkg"; die "an upgrade"; }
grep -q '# mine' /etc/ingestd/config.hcl || die "an upgrade takes what the administrator wrote"
dpkg -r ingestd >"$work/dpkg" 2>&1 || { cat "$work/dpkg"; die "dpkg -r"; }
[ ! -e /usr/bin/ingestd ] && [ -s /var/lib/ingestd/ingest.db ] && [ -e /etc/ingestd/config.hcl ] || die "remove keeps data and configuration, and nothing else"
dpkg --purge ingestd >"$work/dpkg" 2>&1 || { cat "$work/dpkg"; die "dpkg --purge"; }
[ ! -e /var/lib/ingestd ] && [ ! -e /etc/ingestd ] && [ ! -e /etc/systemd/system/multi-user.target.wants/ingestd.service ] || die "purge leaves something"
said "an upgrade keeps the configuration, remove the data, purge nothing"

# --- where there is a group of its name already
userdel ingestd
getent group ingestd >/dev/null || groupadd --system ingestd
dpkg -i "$deb" >"$work/dpkg" 2>&1 || { cat "$work/dpkg"; die "dpkg -i beside a group of its name"; }
[ "$(id -gn ingestd)" = ingestd ] || die "the user's group"
dpkg --purge ingestd >"$work/dpkg" 2>&1 || { cat "$work/dpkg"; die "dpkg --purge"; }
said "a group of its name does not keep it from being installed"

# --- the rpm, in a directory
[ "$(rpm -qpc "$rpm")" = /etc/ingestd/config.hcl ] || die "the rpm's configuration"
mkdir "$work/root"
rpm --root "$work/root" --initdb
rpm --root "$work/root" -i --nodeps --noscripts --ignorearch "$rpm" 2>"$work/rpm" || { cat "$work/rpm"; die "rpm -i"; }
"$work/root/usr/bin/ingestd" check --config "$work/root/etc/ingestd/config.hcl" >/dev/null || die "the rpm's program"
for s in deploy/package/rpm/*; do sh -n "$s"; done
rpm --root "$work/root" -e --nodeps --noscripts ingestd
[ ! -e "$work/root/usr/bin/ingestd" ] || die "rpm -e"
said "rpm: installs into a directory, and leaves it"
said "all is well"
