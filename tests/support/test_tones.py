import numpy as np
import pytest

from tests.support.tones import sine, tone_level, usual_level


def test_the_usual_level_is_that_of_the_tone_although_its_phase_jumps() -> None:
    whole = sine(700, 1.0)
    jumped = np.concatenate([whole[:4000], -whole[4000:]])  # as after a lost packet
    assert tone_level(jumped, 700) < tone_level(whole, 700) - 20
    assert usual_level(jumped, 700) == pytest.approx(tone_level(whole, 700), abs=0.1)
    assert usual_level(jumped, 440) < -40
    assert usual_level(whole[:400], 700) == pytest.approx(tone_level(whole, 700), abs=0.1)
