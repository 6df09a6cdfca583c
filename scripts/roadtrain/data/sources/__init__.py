"""Where videos and questions come from, behind one typed interface.

In: the spec's `data` and the files below its root. Out: blocks of checked questions (base.Block), a unit at a time.

    wts        the WTS dataset's own layout          bdd     BDD_PC_5K, its external part
    wts_test   WTS's public test                     mixed   several of them in one run
    llava      any LLaVA JSON                        mcq     a table of multiple-choice questions

Begin with base.py, the interface; catalog.py picks the source that a spec describes.
"""
