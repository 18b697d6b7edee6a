"""Every gain matrix, every transition: who hears whom, how loud, without click or gap."""

import math
from itertools import permutations, product

import numpy as np
import pytest

from telephony.media.codecs import PCMU
from telephony.media.path import Handle
from tests.contracts.media.lab import Heard, Lab, Matrix, Phone, one_stream
from tests.support.tones import Pcm

TONES = (400, 700, 1100, 1600, 2300)
LONGEST_GAP = 0.04
ABSENT = -38.0
"""dB: A-law's own noise is 37 dB below what it codes."""


def assert_levels(heard: Heard, row: dict[Phone, float], phones: list[Phone]) -> None:
    for phone in phones:
        gain = row.get(phone, 0.0)
        if gain:
            wanted = 20 * math.log10(gain)
            assert heard.gain_of(phone.hertz) == pytest.approx(wanted, abs=1), (phone.hertz, row)
        else:
            assert heard.gain_of(phone.hertz) < ABSENT, phone.hertz


def assert_smooth(heard: Heard, *rows: dict[Phone, float]) -> None:
    """No click beyond A-law's noise (-37 dB for one tone), where a hard cut has -17 dB."""
    tones = {phone.hertz for row in rows for phone in row}
    together = max(sum(gain**2 for gain in row.values()) for row in rows)
    assert heard.click(sorted(tones)) < -31 + max(0.0, 10 * math.log10(together))
    assert heard.gap <= LONGEST_GAP
    one_stream(heard.packets)


def all_rows(others: list[Phone], gains: tuple[float, ...]) -> list[dict[Phone, float]]:
    chosen = product(gains, repeat=len(others))
    return [
        {phone: gain for phone, gain in zip(others, row, strict=True) if gain} for row in chosen
    ]


@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_who_is_alone_may_hear_himself(lab: Lab, gain: float) -> None:
    """Relayed, at another gain mixed; and no more once the matrix says so."""
    phone = lab.phone(TONES[0], phase=0.004)
    lab.run(0.2)
    lab.hear({phone: {phone: gain}})
    begin = lab.run(1.0)
    heard = phone.audio(begin + 0.3, lab.now)
    assert_levels(heard, {phone: gain}, [phone])
    assert_smooth(heard, {phone: gain})
    lab.hear({})
    silent = lab.run(0.5)
    assert not phone.audio(silent + 0.1, lab.now).packets


@pytest.mark.parametrize("parties", [2, 3, 4, 5])
def test_every_row_of_every_matrix(lab: Lab, parties: int) -> None:
    """Rows don't depend on each other: every row at every listener is every matrix.

    They come one after another in one call, each at its own place in the order for each listener,
    so that changes of every size are among them.
    """
    phones = [lab.phone(hertz, phase=0.003 * n + 0.001) for n, hertz in enumerate(TONES[:parties])]
    gains = (0.0, 0.5, 1.0) if parties < 5 else (0.0, 1.0)
    random = np.random.default_rng(parties)
    orders = {}
    for phone in phones:
        rows = all_rows([other for other in phones if other is not phone], gains)
        orders[phone] = [rows[index] for index in random.permutation(len(rows))]
    lab.run(0.1)
    former: dict[Phone, dict[Phone, float]] = {phone: {} for phone in phones}
    for number in range(len(orders[phones[0]])):
        matrix = {phone: order[number] for phone, order in orders.items()}
        lab.hear(matrix)
        begin = lab.run(0.36)
        for phone, row in matrix.items():
            # The last packet on its way out may come after the change: a frame fades out.
            settled = phone.audio(begin + 0.2, lab.now)
            if not row:
                assert not settled.packets
                continue
            assert_levels(settled, row, phones)
            if former[phone]:
                assert_smooth(phone.audio(begin - 0.16, lab.now), former[phone], row)
        former = matrix


def test_eight_hear_each_other_and_nobody_himself(lab: Lab) -> None:
    """Quietly, for the sum of seven at full level would be cut off."""
    tones = (*TONES, 2700, 3100, 3400)
    phones = [lab.phone(hertz, phase=0.002 * n) for n, hertz in enumerate(tones)]
    lab.hear({one: {other: 0.25 for other in phones if other is not one} for one in phones})
    begin = lab.run(0.8)
    for one in phones:
        heard = one.audio(begin + 0.3, lab.now)
        assert_levels(heard, {other: 0.25 for other in phones if other is not one}, phones)


def situations(a: Phone, b: Phone, c: Phone) -> dict[str, Matrix]:
    """What a call goes through: a citizen (a), an agent (b), a leader or a third party (c)."""
    return {
        "two": {a: {b: 1.0}, b: {a: 1.0}},
        "three": {a: {b: 1.0, c: 1.0}, b: {a: 1.0, c: 1.0}, c: {a: 1.0, b: 1.0}},
        "listen": {a: {b: 1.0}, b: {a: 1.0}, c: {a: 1.0, b: 1.0}},
        "whisper": {a: {b: 1.0}, b: {a: 1.0, c: 1.0}, c: {a: 1.0, b: 1.0}},
        "barge": {a: {b: 1.0, c: 1.0}, b: {a: 1.0, c: 1.0}, c: {a: 0.5, b: 1.0}},
        "consult": {b: {c: 1.0}, c: {b: 1.0}},
        "transferred": {a: {c: 1.0}, c: {a: 1.0}},
        "quiet": {a: {b: 0.25}, b: {a: 1.0}},
    }


NAMES = ("two", "three", "listen", "whisper", "barge", "consult", "transferred", "quiet")


@pytest.mark.parametrize("phase", [0.0, 0.007])
def test_every_transition(lab: Lab, phase: float) -> None:
    phones = [lab.phone(hertz, phase=phase * n + 0.002) for n, hertz in enumerate(TONES[:3])]
    known = situations(*phones)
    assert tuple(known) == NAMES
    for before, after in permutations(NAMES, 2):
        lab.hear(known[before])
        begin = lab.run(0.3)
        lab.hear(known[after])
        changed = lab.run(0.36)
        for phone in phones:
            former, row = dict(known[before].get(phone, {})), dict(known[after].get(phone, {}))
            if former and row:
                heard = phone.audio(begin + 0.14, lab.now)
                assert_smooth(heard, former, row)  # type: ignore[arg-type]
            if row:
                assert_levels(phone.audio(changed + 0.2, lab.now), row, phones)  # type: ignore[arg-type]


def music(seconds: float = 1.0, hertz: float = 3000) -> Pcm:
    times = np.arange(round(seconds * 8000)) / 8000
    wave: Pcm = np.rint(3000 * np.sin(2 * np.pi * hertz * times)).astype(np.int16)
    wave.flags.writeable = False
    return wave


@pytest.mark.parametrize("name", NAMES)
def test_hold_with_music_and_back(lab: Lab, name: str) -> None:
    citizen, agent, third = (lab.phone(hertz, phase=0.004) for hertz in TONES[:3])
    before = situations(citizen, agent, third)[name]
    lab.hear(before)
    lab.run(0.4)
    player: Handle = lab.path.play([music()], loop=True)
    lab.hear({citizen: {player: 1.0}})
    held = lab.run(2.0)
    heard = citizen.audio(held + 0.2, lab.now)
    assert heard.gain_of(3000) == pytest.approx(0, abs=1)
    assert heard.gain_of(agent.hertz) < ABSENT
    assert not agent.audio(held + 0.1, lab.now).packets
    lab.hear(before)
    lab.path.stop_play(player)
    back = lab.run(0.4)
    row = dict(before.get(citizen, {}))
    if row:
        tones = sorted({3000.0, *(source.hertz for source in row if isinstance(source, Phone))})
        whole = citizen.audio(held - 0.1, lab.now)
        assert whole.click(tones) < -28
        assert whole.gap <= LONGEST_GAP
        one_stream(whole.packets)
        assert_levels(citizen.audio(back + 0.2, lab.now), row, lab.phones)  # type: ignore[arg-type]


def test_two_with_one_codec_are_relayed_octet_by_octet(lab: Lab) -> None:
    one, two = lab.phone(400), lab.phone(700)
    lab.bridge(one, two)
    begin = lab.run(0.2)
    spoken = [packet.payload for _, packet in two.heard]
    one.sequence, one.timestamp, one._spoken = 7, 9000, 0
    replay = [one.codec.encoder().encode(one.next_pcm()) for _ in spoken]
    assert len(spoken) >= 9
    assert spoken == replay
    assert max(at for at, _ in two.heard) > begin


def test_the_relay_adds_no_delay_the_mixer_less_than_60_ms(lab: Lab) -> None:
    one, two, three = (lab.phone(hertz, phase=0.006) for hertz in TONES[:3])
    lab.bridge(one, two)
    lab.run(0.4)
    times = [at for at, _ in two.heard]
    assert times[-1] >= one.due - one.seconds - 1e-6  # it arrived in the step in which it was sent
    lab.hear({two: {one: 1.0, three: 1.0}})
    lab.run(1.0)
    one.level = 0.0
    silent_from = lab.run(0.4)
    for at, packet in two.heard:
        if at < silent_from + 0.06:
            continue
        heard = Heard([packet], two.codec)
        assert heard.gain_of(one.hertz) < -20, at - silent_from


@pytest.mark.parametrize("phase", range(0, 20, 5))
def test_a_mix_that_begins_amid_speech_is_soon_even(lab: Lab, phase: int) -> None:
    """Wherever packets come between two ticks, and of a tone whose period is no whole samples."""
    others = lab.phone(1600), lab.phone(2300)
    lab.hear({others[0]: {others[1]: 0.5}})  # the clock ticks already
    lab.run(0.1)
    one, two = lab.phone(440, phase=phase / 1000), lab.phone(700)
    lab.run(0.115)  # the next tick comes before the next packet
    lab.hear({others[0]: {others[1]: 0.5}, two: {one: 0.9}})
    lab.run(0.5)
    settled = lab.path.stats(one.session).concealed
    begin = lab.run(0.5)
    assert lab.path.stats(one.session).concealed == settled
    assert two.audio(begin, lab.now).gain_of(440) == pytest.approx(-1, abs=0.5)


def test_two_laws_are_translated_not_mixed(lab: Lab) -> None:
    alaw, ulaw = lab.phone(400), lab.phone(700, codec=PCMU)
    lab.bridge(alaw, ulaw)
    lab.run(0.4)
    heard = ulaw.audio(0, lab.now)
    assert {packet.payload_type for packet in heard.packets} == {0}
    assert heard.gain_of(400) == pytest.approx(0, abs=0.5)
    assert len(ulaw.heard) == len(alaw.heard)


def test_too_much_is_saturated_not_wrapped(lab: Lab) -> None:
    phones = [lab.phone(400, phase=0.001) for _ in range(8)]
    for phone in phones[1:]:
        phone.level = 12000.0
    lab.hear({phones[0]: dict.fromkeys(phones[1:], 4.0)})
    begin = lab.run(1.0)
    pcm = phones[0].audio(begin + 0.5, lab.now).pcm
    assert pcm.max() >= 32000
    assert pcm.min() <= -32000
    steps = np.abs(np.diff(pcm.astype(int)))
    assert steps.max() < 40000  # a wrap would be a step of 65535


def test_who_is_not_described_hears_nothing_and_is_not_heard(lab: Lab) -> None:
    one, two, third = (lab.phone(hertz) for hertz in TONES[:3])
    third.describe(address=None)
    lab.hear({one: {two: 1.0, third: 1.0}, third: {one: 1.0, two: 1.0}})
    begin = lab.run(0.5)
    assert not third.heard  # on hold: heard, but sent nothing
    assert one.audio(begin + 0.3, lab.now).gain_of(third.hertz) == pytest.approx(0, abs=1)
    lab.path.close_session(third.session)
    lab.phones.remove(third)
    third.close()
    closed = lab.run(0.4)
    heard = one.audio(closed + 0.2, lab.now)
    assert heard.gain_of(third.hertz) < ABSENT
    assert heard.gain_of(two.hertz) == pytest.approx(0, abs=1)


def test_a_matrix_names_known_listeners(lab: Lab) -> None:
    one, two = lab.phone(400), lab.phone(700)
    lab.bridge(one, two)
    with pytest.raises(KeyError):
        lab.path.hear({one.session: {}, 999999: {one.session: 1.0}})
    begin = lab.run(0.2)
    assert one.audio(begin, lab.now).packets  # nothing has changed
