#!/usr/bin/env bash
# Runs every linter and fails at the end if one of them found something.
set -uo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
failed=0

check() { # name, command...
	echo "lint: $1" >&2
	"${@:2}" || failed=1
}

formatted() {
	local files
	files=$(git ls-files --cached --others --exclude-standard '*.go' | xargs -r ls -d 2>/dev/null | xargs -r bin/tools/gofumpt -l)
	[ -z "$files" ] || { echo "not formatted (run make fmt):" $files >&2; return 1; }
}

# The database of vulnerabilities is on the network. Where it cannot be reached
# nothing is known, which must be seen; a finding fails.
vulnerabilities() {
	local out status
	out=$(bin/tools/govulncheck ./... 2>&1)
	status=$?
	if [ $status -ne 0 ] && grep -q 'fetching vulnerabilities' <<<"$out"; then
		echo "==== NOT CHECKED FOR KNOWN VULNERABILITIES: the database cannot be reached ====" >&2
		tail -n 1 <<<"$out" >&2
		return 0
	fi
	[ $status -eq 0 ] || echo "$out" >&2
	return $status
}

check gofumpt formatted
check vet "$go" vet ./...
check golangci-lint bin/tools/golangci-lint run ./...
check govulncheck vulnerabilities
exit $failed
