from eventbus.vital_signs import VitalSigns


def test_a_node_is_dead_when_its_beat_has_not_changed_for_long() -> None:
    signs = VitalSigns(10.0)
    assert signs.look({"n1": 5.0, "n2": 1e9}, 0.0) == []  # whatever its clock says
    assert signs.look({"n1": 7.0, "n2": 1e9}, 5.0) == []
    assert signs.look({"n1": 9.0, "n2": 1e9}, 9.9) == []
    assert signs.look({"n1": 13.0, "n2": 1e9}, 10.0) == ["n2"]
    assert signs.look({"n1": 17.0, "n2": 1e9 + 1}, 12.0) == []  # it was only away
    assert signs.look({"n1": 17.0}, 17.0) == []
    assert signs.look({"n1": 17.0}, 22.0) == ["n1"]
    assert signs.look({}, 27.0) == []


def test_who_could_not_look_for_long_takes_nobody_for_dead() -> None:
    signs = VitalSigns(10.0)
    assert signs.look({"n1": 5.0}, 0.0) == []
    assert signs.look({"n1": 5.0}, 10.0) == []  # the machine slept
    assert signs.look({"n1": 5.0}, 19.0) == []
    assert signs.look({"n1": 5.0}, 20.0) == ["n1"]
