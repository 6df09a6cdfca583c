"""Videos and pictures -> the frame cache: decoded and resized once, losslessly, for every later use.

In: the media that a LLaVA JSON's questions name, and the vision settings of a run. Out: one safetensors file a clip
and setting, and an index of them for each split and setting.

Begin with sampling.py (which frames, how large, how many tokens), building.py (a split's clips, over all processes)
and index.py (what training and evaluation read). cache.py names a clip's file by everything that decides its pixels.
"""
