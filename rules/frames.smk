"""Videos -> frames: decoded and resized once for every later use."""

import json
import os

# Not a parameter: another ablation's setting must not make this one's index, and what follows, anew.
os.environ.update(ROADTRAIN_VISIONS=json.dumps([vision.settings() for vision in VISIONS.values()]))
# Nor these: a patience of 90 s decodes the same frames as one of 60 s. The reader is a parameter beside.
os.environ.update(ROADTRAIN_FRAMES=SPEC.frames.reading())


rule decode_frames:
    """Index of one vision setting's frames of one split. The frames lie in cache/frames, which no rule owns: the first
    job of a split decodes for every setting of the run, in one pass over each video; the others find theirs there.
    """
    input:
        llava=RUN.llava("{split}"),
        audit=RUN.audit,
        media=RUN.media("{split}"),
    output:
        RUN.frames("{vision}", "{split}"),
    log:
        RUN.log("decode_frames", "{vision}", "{split}"),
    benchmark:
        RUN.benchmark("decode_frames", "{vision}", "{split}")
    priority: 1  # it takes a minute: before trainings fill the cores, since all but one of them wait for a decoding
    conda:
        "../envs/local.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        code=code_of("decode_frames"),
        media=lambda wildcards: catalog.media_root(SPEC.data, wildcards.split),
        vision=lambda wildcards: json.dumps(VISIONS[wildcards.vision].settings()),
        cache=RUN.frame_cache,
        on_bad_video=SPEC.data.on_bad_video,
        max_bad_fraction=SPEC.data.max_bad_fraction,
        media_links=SPEC.data.media_links,
        reader=SPEC.frames.reader,
    message:
        "Decoding the {wildcards.split} videos for {wildcards.vision}"
    shell:
        "python scripts/decode_frames.py --llava {input.llava:q} --media={params.media:q} --vision {params.vision:q}"
        ' --also "$ROADTRAIN_VISIONS" --cache {params.cache:q} --on-bad-video {params.on_bad_video}'
        " --max-bad-fraction {params.max_bad_fraction} --audit {input.audit:q} {wildcards.split}"
        ' --media-links {params.media_links} --frames "$ROADTRAIN_FRAMES"'
        " --workers {threads}"
        " --index {output:q} 2>&1 | tee {log:q}"
