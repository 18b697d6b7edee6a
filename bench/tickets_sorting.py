"""What it costs to find an utterance's category, by the rules and by a trained model.

    python -m bench.tickets_sorting MODEL [--json]

MODEL is a folder that ``python -m tickets train`` wrote. The texts grow as a talk does: every
utterance is judged with all that was said before it.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tickets import warm_up
from tickets.category import shipped
from tickets.model import Model

UTTERANCE = "楼上半夜一直敲地板我们报过三次了物业也不管"
TIMES = 50


def milliseconds(work: Callable[[str], object], text: str) -> float:
    """Return the median time of a call."""
    taken = []
    for _ in range(TIMES):
        start = time.perf_counter()
        work(text)
        taken.append(1000 * (time.perf_counter() - start))
    return median(taken)


def main() -> int:
    """Print a line for each length; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warm_up()
    model, rules = Model.load(options.model), shipped()
    rows = []
    for count in (1, 5, 20):
        text = UTTERANCE * count
        by_rules, by_model = (
            milliseconds(rules, text),
            milliseconds(lambda t: model.rank([t]), text),
        )
        rows.append({"characters": len(text), "rules_ms": by_rules, "model_ms": by_model})
    if options.json:
        print(json.dumps(rows))
        return 0
    print(f"{'characters':>10}{'rules ms':>10}{'model ms':>10}{'ratio':>8}")
    for row in rows:
        ratio = row["model_ms"] / row["rules_ms"]
        print(
            f"{row['characters']:>10}{row['rules_ms']:>10.2f}{row['model_ms']:>10.2f}{ratio:>8.2f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
