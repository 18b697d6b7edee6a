"""How good a call sounds, from what is measured: the E-model (ITU-T G.107) with its defaults.

R is 93.2 for a perfect narrow-band call, less what delay and loss take from it; MOS is R on the
scale of one to five. What is not measured here (noise, echo, sidetone) stays at the defaults of
G.107, so the figure speaks of the network and not of the telephone.
"""

from typing import Final

BEST: Final = 93.2
"""R with every parameter at its default (G.107 table 2, rounded as G.107 §7.7 does)."""
LOSS_ROBUSTNESS: Final = 25.1
"""Bpl of G.711 with concealment as in its Appendix I, random loss (G.113 table I.4)."""
_BREAK_DELAY: Final = 0.1773  # seconds beyond which a conversation suffers
_WORST: Final = 95.0


def r_factor(*, loss: float, delay: float) -> float:
    """Return R, 0…93.2.

    Args:
        loss: share of packets that were not there when they were needed, 0…1.
        delay: from mouth to ear, seconds.
    """
    milliseconds = delay * 1000
    impaired = 0.024 * milliseconds
    if delay > _BREAK_DELAY:
        impaired += 0.11 * (milliseconds - _BREAK_DELAY * 1000)
    percent = loss * 100
    lost = _WORST * percent / (percent + LOSS_ROBUSTNESS)  # G.107 §7.5 with Ie = 0, random loss
    return max(0.0, BEST - impaired - lost)


def mos(r: float) -> float:
    """Return the mean opinion score, 1…4.5, of an R (G.107 Annex B)."""
    if r <= 0:
        return 1.0
    if r >= 100:  # noqa: PLR2004 - as the norm has it
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)
