#!/usr/bin/env bash
# Runs each fuzz test of the repository for the given time.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}

for package in $("$go" list ./...); do
	for name in $("$go" test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		echo "fuzz: $package $name for $1" >&2
		"$go" test -run='^$' -fuzz="^$name\$" -fuzztime="$1" "$package"
	done
done
