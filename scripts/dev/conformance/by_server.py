"""vLLM's HTTP server on its four ways: the file, read by its own reader; the file, read by this project's plugin (serve.py); just the frames,
as a lossless video; the frames with their metadata. The recorder writes down what its model is given."""

import base64
import io
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dev.conformance import records
from dev.conformance.by_us import clip_of
from dev.conformance.by_vllm import MAX_LENGTH
from dev.conformance.clips import Case, index_file, setting_name
from dev.conformance.seen import OPTIONS, QUESTION, SYSTEM_PROMPT, Seen
from roadtrain.deploy.client import SentVideo, sent_file
from roadtrain.deploy.own_server import HOST, any_port, own_server
from roadtrain.deploy.sent_video import frames_video
from roadtrain.deploy.serving import CheckpointSetting, ServerReader, server_command
from roadtrain.evaluate.vllm.options import vllm_options
from roadtrain.frames.index import FrameIndex, MediumFrames

# What a request has of a case: the video's part of the message, and more keys.
Part = Callable[[Path, Case], tuple[dict[str, Any], dict[str, Any]]]


def see(root: Path, model: Path, cases: Sequence[Case], gpus: int = 0) -> None:
    """server/, server-frames/, server-metadata/ and serve.py/ of every case. Runs in vLLM's Python."""
    ways: dict[ServerReader, dict[str, Part]] = {
        "vllm": {"server": the_file, "server-frames": the_frames, "server-metadata": frames_with_metadata},
        "roadtrain": {"serve.py": the_file, "serve.py-frames": the_frames},
    }
    for setting in dict.fromkeys(case.setting for case in cases):
        mine = [case for case in cases if case.setting == setting]
        for reader, parts in ways.items():
            folder = root / f"records-{setting_name(setting)}-{reader}"
            os.environ.update(records.environment(folder))
            port = any_port()
            with own_server(command(model, mine[0], port, reader, gpus), port) as server:
                for way, part in parts.items():
                    for case in mine:
                        ask(server.url, root, folder, case, part).save(root / way, case.name)


def command(model: Path, case: Case, port: int, reader: ServerReader, gpus: int) -> list[str]:
    """serve.py's, and: nothing is kept from one request to the next, requests may bring metadata."""
    setting = CheckpointSetting(model, "m", case.vision)
    options = vllm_options(MAX_LENGTH, gpus) | {"enable_prefix_caching": False, "mm_processor_cache_gb": 0}
    words = server_command(setting, options, HOST, port, reader=reader)
    at = words.index("--enable-prefix-caching") if "--enable-prefix-caching" in words else None
    if at is not None:
        words[at : at + 2] = ["--no-enable-prefix-caching"]
    return [*words, "--trust-request-mm-kwargs", "--uvicorn-log-level", "warning"]


def ask(url: str, root: Path, folder: Path, case: Case, part: Part) -> Seen:
    """What reached the model when one case was asked about."""
    records.forget(folder)
    try:
        video, more = part(root, case)
    except NotImplementedError as reason:
        return Seen(problem=str(reason))
    content = [video, {"type": "text", "text": QUESTION}]
    request = {
        "model": "m",
        "messages": [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": content}],
        "temperature": 0,
        "max_tokens": 1,
        "logprobs": True,
        "top_logprobs": 20,
        "return_token_ids": True,
        **more,
    }
    body = json.dumps(request).encode()
    headers = {"Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/v1/chat/completions", body, headers)) as reply:
            answer = json.load(reply)
    except urllib.error.HTTPError as error:
        return Seen(problem=f"{error.code}: {error.read().decode()[:200]}")
    (seen,) = records.read_prompts(folder, [case.name]).values()
    if seen.ids is None or answer["prompt_token_ids"] != seen.ids.tolist():
        raise ValueError(f"{case.name}: the server says other tokens than it gives the model")
    likeliest = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    return replace(seen, letters=records.letters_of({t["token"]: t["logprob"] for t in likeliest}, OPTIONS))


def the_file(root: Path, case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    if case.is_window:
        raise NotImplementedError("HTTP has no windows")
    return sent_file(root / "media" / case.file).part, {}


def the_frames(root: Path, case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """As ask.py --vision and smoke_test.py --vision send them."""
    return SentVideo("video/mp4", frames_video(medium_of(root, case))).part, {}


def frames_with_metadata(root: Path, case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """A list of PNGs, which vLLM takes as video/jpeg, their numbers and rate; a server takes that with --trust-request-mm-kwargs only."""
    from PIL import Image

    medium, pngs = medium_of(root, case), []
    for frame in medium.frames.permute(0, 2, 3, 1).numpy():
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "PNG")
        pngs.append(base64.b64encode(file.getvalue()).decode())
    facts = {key: medium.metadata[key] for key in ("fps", "frames_indices", "total_num_frames")}
    url = f"data:video/jpeg;base64,{','.join(pngs)}"
    reading = {"num_frames": -1, "do_sample_frames": False, **facts}
    more = {"media_io_kwargs": {"video": reading}, "mm_processor_kwargs": {"do_resize": False}}
    return {"type": "video_url", "video_url": {"url": url}}, more


def medium_of(root: Path, case: Case) -> MediumFrames:
    (medium,) = FrameIndex.load(index_file(root, case)).read(clip_of(case)).media
    return medium
