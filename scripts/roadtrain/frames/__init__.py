"""Frames: every video decoded and resized once, losslessly, for every later use.

In: the media that a split's questions name (roadtrain.media), a folder of videos and pictures, vision settings. Out: the
frame cache (cache/frames) and an index for each setting and split (results/<run>/frames), which training, evaluation,
calibration and the report read. Also what a video is like before it is decoded (probe.py).

Begin with index.py, what readers see; building.py makes it, decoding.py is the pass over one video, sampling.py the
arithmetic of frames, sizes and vision tokens.
"""
