#!/usr/bin/env bash
# Speaks config/prompts/<language>/texts.tsv (piece, tab, text) into 8 kHz WAV files beside it.
# Needs espeak-ng, sox, and the project's virtual environment (or PYTHON) for the pinyin. A city's own
# recordings replace these file by file.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pinyin() {
  "$python" -c '
import sys
from pypinyin import Style, lazy_pinyin
spoken = lazy_pinyin(sys.argv[1], style=Style.TONE3, neutral_tone_with_five=True)
print(" ".join(spoken))' "$1"
}

for folder in config/prompts/*/; do
  language=$(basename "$folder")
  while IFS=$'\t' read -r piece text; do
    case $language in
      zh) voice=cmn-latn-pinyin spoken=$(pinyin "$text") ;;
      *) voice=$language spoken=$text ;;
    esac
    espeak-ng -v "$voice" -s 200 -w "$work/spoken.wav" "$spoken"
    # The telephone's band, no silence around it (numbers are put together of pieces), one loudness.
    sox --norm=-6 "$work/spoken.wav" -r 8000 -b 16 -c 1 "$folder$piece.wav" \
      silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse pad 0.02 0.04
  done < "${folder}texts.tsv"
done
