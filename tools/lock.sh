#!/bin/sh
# Writes requirements.lock (to run) and requirements-dev.lock (to work on it) from pyproject.toml:
# every version pinned with its hashes, for every platform, without a word on where they come from.
# Arguments are handed on to uv: --upgrade takes the newest versions.
set -eu
lock() {
    "$UV" pip compile "$@" --no-config --quiet --universal --python-version 3.11 \
        --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
}
lock pyproject.toml --extra local --group build --output-file requirements.lock "$@"
lock --group dev --constraints requirements.lock --output-file requirements-dev.lock "$@"
