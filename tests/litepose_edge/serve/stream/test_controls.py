import pytest

from litepose_edge.serve.stream.controls import ControlError, Controls

MODELS = ("lrpose-n", "lrpose-s")


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        ([], "expected a JSON object of controls, got list"),
        ({"speed": 1}, "there is no control 'speed': there are paused, min_score"),
        ({"paused": 1}, "paused is true or false, got 1"),
        ({"mirror": "yes"}, "mirror is true or false, got 'yes'"),
        ({"min_score": True}, "min_score is a number from 0 to 1, got True"),
        ({"min_score": 1.01}, "min_score is a number from 0 to 1, got 1.01"),
        ({"min_score": float("nan")}, "min_score is a number from 0 to 1, got nan"),
        ({"detect_every": 0}, "detect_every is a whole number from 1 to 1000, got 0"),
        ({"detect_every": float("nan")}, "detect_every is a whole number from 1 to 1000, got nan"),
        ({"detect_every": 10**400}, "detect_every is a whole number from 1 to 1000, got 1000"),
        ({"detect_every": 2.5}, "detect_every is a whole number from 1 to 1000, got 2.5"),
        ({"model": "../etc/passwd"}, "model is one of lrpose-n, lrpose-s, got '../etc/passwd'"),
    ],
)
def test_a_wrong_wish_is_refused_in_a_sentence(wishes, sentence):
    with pytest.raises(ControlError, match="^" + sentence.replace(".", r"\.")):
        Controls().changed(wishes, MODELS)


def test_wishes_change_what_they_name_and_nothing_else():
    before = Controls(min_score=0.4)
    wishes = {"paused": True, "detect_every": 3, "model": "lrpose-n", "mirror": True}
    after = before.changed(wishes, MODELS)
    assert after == Controls(True, 0.4, 3, "lrpose-n", True)
    assert before == Controls(min_score=0.4)


def test_bounds_belong_to_what_is_allowed():
    for score in (0, 1, 0.5):
        assert Controls().changed({"min_score": score}, MODELS).min_score == score
    for every in (1, 2.0, 1000):
        assert Controls().changed({"detect_every": every}, MODELS).detect_every == every


def test_of_several_wishes_one_wrong_one_changes_nothing():
    with pytest.raises(ControlError):
        Controls().changed({"paused": True, "min_score": 7}, MODELS)
