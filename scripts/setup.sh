#!/usr/bin/env bash
# Makes this folder ready to run: Python, virtual environment, locked packages, media engine,
# recognition model, database. Safe to repeat: what is already there is left alone, so a second time takes seconds.
#
#   scripts/setup.sh               what running needs
#   scripts/setup.sh --database    … and the database's schema
#   scripts/setup.sh --no-model    … without the recognition model
#   scripts/setup.sh --dev         … and what tests and checks need, without the model
#
# PYTHON=/path/to/python3 names the Python to use.
set -euo pipefail
cd "$(dirname "$0")/.."

lock=runtime database=no model=yes
for option in "$@"; do
  case $option in
    --dev) lock=dev model=no ;;
    --no-model) model=no ;;
    --database) database=yes ;;
    *) echo "usage: scripts/setup.sh [--dev] [--no-model] [--database]" >&2; exit 2 ;;
  esac
done
steps=5 step=0
[ "$model" = no ] || steps=$((steps + 1))
[ "$database" = no ] || steps=$((steps + 1))

say() { step=$((step + 1)); printf '[%d/%d] %s\n' "$step" "$steps" "$*"; }
note() { printf '      %s\n' "$*"; }
fail() { printf '\nSet-up stopped: %s\n' "$*" >&2; exit 1; }

# Runs a command as root: directly, or through sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else return 1; fi
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if command -v "$candidate" >/dev/null && is_new_enough "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

# Debian keeps venv and ensurepip in a package of their own.
make_venv() {
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    local package
    package=$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')
    note "$package is missing: installing it"
    command -v apt-get >/dev/null || fail "$python has no venv module; install it and run this again"
    { as_root apt-get update -qq && as_root apt-get install -y -qq "$package" >/dev/null; } ||
      fail "run 'apt-get install $package' as root, then run this again"
  fi
  "$python" -m venv --clear .venv
}

# pip's report, reduced to the name of the package it is busy with.
show_packages() {
  local line
  while read -r line; do
    case $line in
      "Collecting "*) line=${line#Collecting }; line=${line%% *} ;;
      "Installing "*) line="unpacking" ;;
      *) continue ;;
    esac
    if [ -t 1 ]; then printf '\r\033[K      %s' "$line"; fi
  done
  if [ -t 1 ]; then printf '\r\033[K'; fi
}

say "Python"
python=$(find_python) || fail "Python 3.11 or later is needed (Debian: apt-get install python3)"
note "$("$python" --version) at $python"

say "Virtual environment"
if [ -x .venv/bin/python ] && is_new_enough .venv/bin/python && .venv/bin/python -m pip -V >/dev/null; then
  note ".venv is there"
else
  make_venv
  note "made .venv"
fi

say "Packages, as locked in requirements/$lock.txt"
# What is installed is known by the lock it came from; the one for development holds the other too.
stamp() { echo ".venv/.installed-$1"; }
is_installed() {
  [ -f "$(stamp "$1")" ] && sha256sum --status --check "$(stamp "$1")" 2>/dev/null
}
if is_installed dev || is_installed "$lock"; then
  note "up to date"
else
  note "installing; the first time this takes a minute or two"
  .venv/bin/python -m pip install --disable-pip-version-check --no-input --require-hashes \
    --requirement "requirements/$lock.txt" 2>.venv/pip.log | show_packages || {
    grep -v '^WARNING' .venv/pip.log >&2
    fail "pip could not install the packages; its own words are above"
  }
  sha256sum "requirements/$lock.txt" >"$(stamp "$lock")"
  note "installed"
fi

say "Media engine"
# In the image the packages come before the code; the code's layer builds this itself.
if [ ! -f telephony/media/native/build.py ]; then
  note "left for later"
elif built=$(.venv/bin/python -m telephony.media.native.build 2>&1); then
  note "$built"
else
  note "the one in Python is used: ${built##*$'\n'}"
fi

say "Opus"
has_opus() { .venv/bin/python -c 'import opuslib_next' 2>/dev/null; }
if [ ! -f telephony/media/wideband.py ]; then
  note "left for later"
elif has_opus; then
  note "libopus is there"
elif command -v apt-get >/dev/null && as_root apt-get install -y -qq libopus0 >/dev/null 2>&1 && has_opus; then
  note "installed libopus0"
else
  note "no libopus: calls are not coded with Opus (Debian: apt-get install libopus0)"
fi

if [ "$model" = yes ]; then
  say "Recognition model"
  if found=$(.venv/bin/python -c 'import asr.model; print(asr.model.find())' 2>/dev/null); then
    note "$found"
  elif .venv/bin/python -m asr.model; then
    note "fetched"
  else
    # Not a failure: calls work without recognition, and the demonstration has a model of its own.
    echo
    note "THERE IS NO RECOGNITION MODEL: nothing that callers say will be understood."
    note "Calls, agents, recording and tickets work; tickets are then filled by hand."
    note "To mend it: what is said above, or run this again with a connection to the internet."
    note "Until then the demonstration uses a tiny model that understands synthetic speech only."
  fi
fi

if [ "$database" = yes ]; then
  say "Database"
  .venv/bin/python -m hotline migrate | sed 's/^/      /' || fail "see above"
fi
