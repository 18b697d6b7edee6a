#!/usr/bin/env bash
# Locks requirements/*.in into requirements/*.txt, for every platform and Python from 3.11 on, with
# hashes. Run it after changing an .in file, or with --upgrade to take newer versions.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=$(command -v uv || echo .venv/bin/uv)
[ -x "$uv" ] || .venv/bin/python -m pip install --quiet uv

for name in runtime dev; do
  UV_CUSTOM_COMPILE_COMMAND=scripts/lock.sh "$uv" pip compile --quiet --universal \
    --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
    --output-file "requirements/$name.txt" "$@" "requirements/$name.in"
done
