#!/usr/bin/env bash
# Builds what is released. tools/dist.sh archives: bin/dist/*.tar.gz for every target,
# with their sums; the same bytes for the same commit and the same Go. tools/dist.sh
# packages: the deb and the rpm. tools/dist.sh documents: bin/host/doc, which both
# have. VERSION=v1.2.3 overrides what the repository says,
# TARGETS chooses.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
targets=${TARGETS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64}
export CGO_ENABLED=0 LC_ALL=C TZ=UTC
umask 022

flags=(-trimpath -ldflags "-s -w${VERSION:+ -X github.com/ingestd/ingestd/daemon.release=$VERSION}")

# The version, the commit and its date come from the repository, where there is one.
[ ! -e .git ] || flags+=(-buildvcs=true)

build() { # target file
	GOOS=${1%/*} GOARCH=${1#*/} $go build "${flags[@]}" -o "$2" ./cmd/ingestd
}

# What is read beside the program. Links to what is not there, which is the source,
# lead to the repository.
documents() {
	doc=${DOC:-bin/host/doc}
	rm -rf "$doc"
	mkdir -p "$doc/docs" "$doc/deploy" "$doc/examples"
	cp README.md CHANGELOG.md LICENSE config.hcl "$doc/"
	cp -r docs/*.md docs/*.svg docs/*.json docs/images "$doc/docs/"
	cp -r deploy/README.md deploy/prometheus deploy/grafana deploy/compose deploy/kubernetes deploy/systemd "$doc/deploy/"
	rm "$doc/deploy/prometheus/alerts_test.yaml"
	for config in examples/*/config.hcl; do
		mkdir -p "$doc/${config%/*}"
		cp "$config" "$doc/$config"
	done
	local file dir link target
	(cd "$doc" && find . -name '*.md' -printf '%P\n') | while read -r file; do
		dir=$(dirname "$file")
		{ grep -oE '\]\([^)# ]+' "$doc/$file" || true; } | sed 's/^](//' | sort -u | while read -r link; do
			case $link in *://*) continue ;; esac
			target=$(realpath -m --relative-to=. "$dir/$link")
			[ ! -e "$doc/$target" ] || continue
			sed -i -E "s|\\]\\(${link//./\\.}([)#])|](https://github.com/ingestd/ingestd/blob/main/$target\\1|g" "$doc/$file"
		done
	done
	chmod -R u=rwX,go=rX "$doc"
}

# Whatever the target, this machine's build knows the version and the completions.
prepare() {
	rm -rf "$out"
	mkdir -p "$out" bin/host/completions
	build "$($go env GOHOSTOS)/$($go env GOHOSTARCH)" bin/host/ingestd
	json=$(bin/host/ingestd version --json)
	version=$(sed -E 's/.*"version":"v?([^"]*)".*/\1/' <<<"$json")
	date=$(sed -nE 's/.*"date":"([^"]*)".*/\1/p' <<<"$json")
	date=${date:-1980-01-01T00:00:00Z}
	[ "$version" != "(devel)" ] || version=0.0.0
	documents
	bin/host/ingestd completion bash >bin/host/completions/ingestd.bash
	bin/host/ingestd completion zsh >bin/host/completions/_ingestd
	bin/host/ingestd completion fish >bin/host/completions/ingestd.fish
}

archives() {
	out=bin/dist
	prepare
	for target in $targets; do
		local name=ingestd_${version}_${target/\//_}
		echo "$name" >&2
		mkdir -p "$out/$name"
		build "$target" "$out/$name/ingestd"
		cp -r bin/host/doc/. bin/host/completions "$out/$name/"
		[ "${target%/*}" != linux ] || cp deploy/systemd/ingestd.service "$out/$name/"
		chmod -R u=rwX,go=rX "$out/$name"
		tar -C "$out" --sort=name --mtime="$date" --owner=0 --group=0 --numeric-owner --format=ustar \
			-cf - "$name" | gzip -9n >"$out/$name.tar.gz"
		rm -rf "${out:?}/$name"
	done
	(cd "$out" && sha256sum -- *.tar.gz >SHA256SUMS)
	cat "$out/SHA256SUMS"
}

packages() {
	out=bin/package
	prepare
	rm -f bin/dist/*.deb bin/dist/*.rpm
	cp -r bin/host/completions "$out/"
	# The packaged daemon has its data in one place, wherever a command is started.
	sed -e '1,2c # The configuration of ingestd. Every value here is the default, but data_dir and the\n# path of the database: without the file these lie where the daemon is started.' \
		-e 's|^data_dir  *= "ingest-data"|data_dir         = "/var/lib/ingestd"|' \
		-e 's|^  path = "ingest.db"|  path = "/var/lib/ingestd/ingest.db"|' config.hcl >"$out/config.hcl"
	[ "$(grep -c /var/lib/ingestd "$out/config.hcl")" = 2 ] || { echo "config.hcl is not what it was" >&2; exit 1; }
	bin/host/ingestd check --config "$out/config.hcl" >/dev/null
	{
		echo "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
		echo "Source: https://github.com/ingestd/ingestd"
		echo
		echo "Files: *"
		sed -n 's/^Copyright (c) /Copyright: /p' LICENSE
		echo "License: Expat"
		sed -n '/^Permission/,$p' LICENSE | sed -e 's/^$/./' -e 's/^/ /'
	} >"$out/copyright"
	chmod -R u=rwX,go=rX "$out"
	for target in $targets; do
		[ "${target%/*}" = linux ] || continue
		build "$target" "$out/ingestd"
		for packager in deb rpm; do
			VERSION=$version DATE=$date ARCH=${target#*/} SOURCE_DATE_EPOCH=$(date -d "$date" +%s) \
				bin/tools/nfpm package --config deploy/package/nfpm.yaml --packager $packager --target bin/dist/
		done
	done
	ls -l bin/dist/*.deb bin/dist/*.rpm
}

mkdir -p bin/dist
case "${1:-}" in
archives | packages | documents) "$1" ;;
*) echo "usage: tools/dist.sh archives|packages|documents" >&2; exit 2 ;;
esac
