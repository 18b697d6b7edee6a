"""Writes docs/exchange.schema.json: ``python -m tickets.exchange.schema [--check]``."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tickets.exchange.messages import schema

PAGE = Path(__file__).parents[2] / "docs" / "exchange.schema.json"


def main(arguments: Sequence[str] = ()) -> int:
    """Write the file, or with ``--check`` say whether it is up to date."""
    text = json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"
    if "--check" in arguments:
        return int(PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
