"""Learning curves among the ablations: those that are alike but for how much of the training set they are trained on.

How long they are trained may differ, too: a smaller share may have more epochs, and a shorter warm-up. Two of one share that
are trained for different times are two curves' points.
"""

from collections.abc import Mapping
from typing import Any

from roadtrain.files import sha256_json
from roadtrain.spec.resolved import AblationSettings

OF_A_RUN = ("share", "seed")
OF_ITS_LENGTH = ("epochs", "warmup_steps")
Curve = dict[float, list[str]]  # {share: the runs that are trained on it}, shares rising


def learning_curves(ablations: Mapping[str, AblationSettings]) -> list[Curve]:
    """Each with two shares or more, in the order of their first runs. `ablations`: of spec.json."""
    curves: list[Curve] = []
    for alike in _groups(ablations, list(ablations), (*OF_A_RUN, *OF_ITS_LENGTH)):
        by_share = _by_share(ablations, alike)
        if all(len(_groups(ablations, runs, OF_A_RUN)) == 1 for runs in by_share.values()):
            curves.append(by_share)
        else:
            curves += [_by_share(ablations, runs) for runs in _groups(ablations, alike, OF_A_RUN)]
    return [curve for curve in curves if len(curve) > 1]


def _groups(ablations: Mapping[str, AblationSettings], names: list[str], without: tuple[str, ...]) -> list[list[str]]:
    """Runs that are equal but for these keys of `train`."""
    groups: dict[str, list[str]] = {}
    for name in names:
        settings = ablations[name]
        train: dict[str, Any] = {key: value for key, value in settings["train"].items() if key not in without}
        groups.setdefault(sha256_json([settings["model"], settings["vision"], train]), []).append(name)
    return list(groups.values())


def _by_share(ablations: Mapping[str, AblationSettings], names: list[str]) -> Curve:
    curve: Curve = {}
    for name in sorted(names, key=lambda name: ablations[name]["train"].get("share", 1.0)):
        curve.setdefault(ablations[name]["train"].get("share", 1.0), []).append(name)
    return curve
