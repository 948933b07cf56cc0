"""Columns on a Dask cluster: the unit of work is the same ``compatmatrix column``, and results come back by merging.

``content``  what a worker must be given: the matrix and the scenarios, as bytes with their hash
``order``    what is asked of a worker and what it answers; which program both must be
``task``     one column on a worker
``client``   the executor on this side: hand over, take results into the one store, run again what was lost

Only ``task`` and ``client`` know Dask, which is an optional extra.
"""
