"""What several measurements on one machine's GPUs promise: each is timed alone on its GPUs, and all of them get there."""

from dataclasses import replace

from dev.gpu.turns import ROOM, State, Turn, with_room, with_the_gpu

ONE, OTHER, BOTH = frozenset("0"), frozenset("1"), frozenset("01")
PLAN = {
    "shared": (ONE, 50),
    "pairs": (ONE, 63),
    "per_question": (OTHER, 48),
    "shared_stock": (ONE, 36),
    "two_shared": (BOTH, 38),
    "two_pairs": (BOTH, 56),
}


def run(plan):
    """[(what was timed, what else ran then)] of a session in which each step lets everybody go one state further."""
    turns = {name: Turn(gpus, gib, State.WAITING) for name, (gpus, gib) in plan.items()}
    history = []
    for _ in range(100):
        if not turns:
            return history
        for name in with_the_gpu(turns):
            turns[name] = replace(turns[name], state=State.TIMED)
        for name in with_room(turns):
            turns[name] = replace(turns[name], state=State.BUILDING)
        history += [(name, dict(turns)) for name, turn in turns.items() if turn.state is State.TIMED]
        for gpu in BOTH:
            built = [t.gib for t in turns.values() if gpu in t.gpus and t.state is not State.WAITING]
            assert sum(built) <= ROOM or len(built) == 1
        for name, turn in list(turns.items()):
            if turn.state is State.BUILDING:
                turns[name] = replace(turn, state=State.READY)
            if turn.state is State.TIMED:
                del turns[name]
    raise AssertionError(f"these wait for ever: {turns}")


def test_each_is_timed_once_and_alone_on_its_gpus():
    history = run(PLAN)
    assert sorted(name for name, _ in history) == sorted(PLAN)
    for name, turns in history:
        gpus = turns[name].gpus
        beside = {
            other
            for other, t in turns.items()
            if other != name and t.gpus & gpus and t.state in (State.BUILDING, State.TIMED)
        }
        assert not beside, f"{name} is timed beside {beside}"


def test_one_gpu_serves_all_one_after_the_other():
    names = [name for name, _ in run({name: (ONE, gib) for name, (_, gib) in PLAN.items()})]
    assert names == list(PLAN)


def test_what_fits_is_built_together():
    turns = {name: Turn(gpus, gib, State.WAITING) for name, (gpus, gib) in PLAN.items()}
    assert with_room(turns) == ["shared", "pairs", "per_question"]  # two_shared doesn't overtake shared_stock


def test_what_needs_more_than_there_is_has_the_gpu_alone():
    assert [name for name, _ in run({"huge": (ONE, 2 * ROOM), "shared": (ONE, 50)})] == ["huge", "shared"]
