"""vLLM's plugin: a server that is given a video shows the model the frames that training saw, at their size.

vLLM looks for plugins among the packages of its Python; this folder is on its path (process.py), and roadtrain_reader-1.dist-info
names `register`. A server takes it by

    --media-io-kwargs '{"video": {"video_backend": "roadtrain", "vision": {"nframes": 8}, "reader": "pyav"}}'
    --mm-processor-kwargs '{"do_resize": false, "do_sample_frames": false}'

which scripts/serve.py says where it knows the checkpoint's vision setting. A file that can't be read is that request's error.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parents[4]


def register() -> None:
    """Called by vLLM in each of its processes."""
    from vllm.multimodal.video import VIDEO_LOADER_REGISTRY, VideoLoader

    if str(SCRIPTS) not in sys.path:
        sys.path.append(str(SCRIPTS))

    @VIDEO_LOADER_REGISTRY.register("roadtrain")
    class RoadtrainLoader(VideoLoader):  # type: ignore[misc]
        """Decodes in the server's process, as vLLM's own readers do."""

        @classmethod
        def load_bytes(
            cls, data: bytes, vision: dict[str, Any], reader: Any = "pyav", **_: Any
        ) -> tuple[Any, dict[str, Any]]:
            """(uint8 [frames, height, width, 3], metadata). Raises ValueError saying why a video can't be had."""
            from roadtrain.frames.alone import Reading, read_alone

            with tempfile.NamedTemporaryFile(prefix="video-") as file:
                file.write(data)
                file.flush()
                try:
                    medium = read_alone(file.name, vision, Reading(reader, limits=None))
                except ValueError as error:  # its name is nobody's
                    raise ValueError(str(error).replace(f"{file.name}: ", "")) from None
            metadata = medium.metadata | {"do_sample_frames": False}
            metadata["duration"] = metadata["total_num_frames"] / metadata["fps"]
            return medium.frames.permute(0, 2, 3, 1).contiguous().numpy(), metadata
