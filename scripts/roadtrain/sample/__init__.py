"""The sample: a small tree of rendered traffic scenes in WTS's own layout.

In: a seed and the number of scenarios of each split (tree.SampleSpec). Out: videos and annotation files, the same bytes
for the same seed, however many processes render.

Begin with tree.py (the names of every file) and scenes.py (what is shown and asked).

chance       seeded randomness: streams by name, balanced draws
tree         names of every file, from a seed and two counts (no rendering, no numpy)
scenes       what a scene contains and what is asked about it
annotations  the JSON files of WTS: environment, event phases, captions
reasoning    questions with reasoning, in the layout of TAR
backdrop     what stands still: sky, road, sidewalks, lamps
sprites      what moves: the pedestrian and the vehicles
view         geometry and light of one camera
render       frames of one camera
video        frames -> H.264 bytes
write        one scenario -> its files
"""
