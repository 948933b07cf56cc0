"""One checkpoint that somebody has, loaded in the ways in which people load it.

`compatmatrix try` copies these files beside a `_target.py` of the checkpoint's own. Nothing here knows which model it
is: what must hold follows from the checkpoint's files, from its configuration, and from what the model answers in
another way.
"""
