"""`compatmatrix try`: one checkpoint that somebody has, in every version.

    hub (id -> directory) -> inspect (files -> Found) -> estimate, choose (which cells) -> target (their scenario root)
        -> columns -> agreement (between versions) -> answer -> telling

The host reads configurations, headers and indexes. It never unpickles anything, and it never runs a checkpoint's
code; the scenarios beside this (``scenarios/given``) are run by the probe, in the columns.
"""
