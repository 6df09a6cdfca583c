"""What a medium that a question names holds, and what it is like. A process looks at a medium with a prober of its own, which it
keeps until it ends or `stop_probing`."""

from roadtrain.data.media_record import Print, file_print, other_form
from roadtrain.frames.containers import place_fault
from roadtrain.frames.probe import Bad, Still, Video
from roadtrain.frames.prober import Looking, Prober, path_below
from roadtrain.media import Kind

Probed = Video | Still | Bad | None

_probers: dict[Looking, Prober] = {}
_looked: dict[tuple[Looking, str, str, Kind], tuple[Print, Probed]] = {}


def look_at(looking: Looking, root: str, name: str, kind: Kind) -> tuple[Print, Probed]:
    """The print first: of a file that changes meanwhile it is an old one, which the next plan sees. What is refused isn't
    read, not even for its print."""
    prober = _probers.setdefault(looking, Prober(looking))
    refused = place_fault(root, name, looking.follow_links)
    content = None if refused else file_print(path_below(root, name))
    video = prober.probe(root, name, kind)
    if isinstance(video, Bad) and video.kind == "missing":
        video = Bad(video.kind, video.reason + other_form(root, name))
    return content, video


def look_at_once(looking: Looking, root: str, name: str, kind: Kind) -> tuple[Print, Probed]:
    """The same for rows, where a video may come up anywhere: a process looks once."""
    key = (looking, root, name, kind)
    if key not in _looked:
        _looked[key] = look_at(*key)
    return _looked[key]


def stop_probing() -> None:
    """End what this process started to look at media."""
    while _probers:
        _probers.popitem()[1].__exit__()
