#!/usr/bin/env bash
# Writes the browser code of others that the pages use into web/static/vendor/, with its licences and
# checksums (VENDORED.md). Nothing is built when the service is installed or runs; this needs npm and
# the network, and is run to take other versions.
set -euo pipefail
cd "$(dirname "$0")/.."

jssip=3.13.8
esbuild=0.25.12 # JsSIP's own bundler

vendor=$PWD/web/static/vendor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$vendor"

(
  cd "$work"
  npm init --yes >/dev/null 2>&1
  npm install --silent --no-audit --no-fund --ignore-scripts "jssip@$jssip" "esbuild@$esbuild"
  npx --no-install esbuild node_modules/jssip/lib/JsSIP.js --bundle --format=esm --minify \
    --target=es2022 --legal-comments=none --log-level=warning --outfile=jssip.js
)

{
  echo "// @ts-nocheck"
  echo "/* JsSIP $jssip, https://jssip.net, MIT; licences: jssip.LICENSE.txt. Written by scripts/vendor_web.sh. */"
  cat "$work/jssip.js"
} > "$vendor/jssip.js"

# what is in the bundle: JsSIP and what it depends on
{
  for package in jssip debug ms events sdp-transform; do
    folder=$work/node_modules/$package
    [ -d "$folder" ] || continue
    version=$(node -p "require('$folder/package.json').version")
    echo "== $package $version"
    echo
    cat "$folder"/LICENSE* "$folder"/license* 2>/dev/null || node -p "require('$folder/package.json').license"
    echo
  done
} > "$vendor/jssip.LICENSE.txt"

{
  echo "# Others' code in the pages"
  echo
  echo "Written by \`scripts/vendor_web.sh\`; do not edit. \`tests/web/test_vendored.py\` holds the checksums."
  echo
  echo "| file | what | version | licence | SHA-256 |"
  echo "|---|---|---|---|---|"
  echo "| jssip.js | [JsSIP](https://jssip.net): SIP over WebSocket, WebRTC sessions | $jssip | MIT | $(sha256sum "$vendor/jssip.js" | cut -d' ' -f1) |"
} > "$vendor/VENDORED.md"
