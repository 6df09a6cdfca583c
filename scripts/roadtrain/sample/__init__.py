"""The sample: a small tree of rendered traffic scenes in WTS's own layout.

chance       seeded randomness: streams by name, balanced draws
tree         names of every file, from a seed and two counts (no rendering, no numpy)
scenes       what a scene contains and what is asked about it
annotations  the JSON files of WTS: environment, event phases, captions
backdrop     what stands still: sky, road, sidewalks, lamps
sprites      what moves: the pedestrian and the vehicles
render       frames of one camera
video        frames -> H.264 bytes
write        one scenario -> its files
"""
