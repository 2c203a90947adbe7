#!/usr/bin/env bash
# Shows that the tests test: it builds them with one planted bug after the other and
# expects a failure each time. tools/seedbugs.txt says where each bug must be found.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}

# Random schedules that fail are not kept: the bug will not stay.
flags() { $GO list -deps -test "$1" | grep -qx pgregory.net/rapid && echo -rapid.nofailfile || true; }

found=0 missed=0
while read -r bug package run; do
	case $bug in '' | '#'*) continue ;; esac
	# The same test must pass without the bug, or it would show nothing.
	if ! out=$($GO test -tags seedbugs -timeout 5m -run "$run" "$package" 2>&1); then
		echo "FAIL $bug: $package -run '$run' fails without it:"$'\n'"$out" >&2
		exit 1
	fi
	if grep -q 'no tests to run' <<<"$out"; then
		echo "FAIL $bug: $package has no test '$run'" >&2
		exit 1
	fi
	if SEEDBUG=$bug $GO test -tags seedbugs -count=1 -timeout 5m -run "$run" "$package" $(flags "$package") >/dev/null 2>&1; then
		echo "MISSED $bug"
		missed=$((missed + 1))
	else
		echo "found  $bug"
		found=$((found + 1))
	fi
done <tools/seedbugs.txt

# None may be planted and forgotten here.
for bug in $(git grep -hoE 'seedbug\.Is\("[a-z0-9-]+"\)' -- '*.go' | cut -d'"' -f2 | sort -u); do
	grep -q "^$bug " tools/seedbugs.txt || { echo "MISSED $bug: tools/seedbugs.txt does not name it" && missed=$((missed + 1)); }
done
echo "$found found, $missed missed"
[ "$missed" -eq 0 ]
