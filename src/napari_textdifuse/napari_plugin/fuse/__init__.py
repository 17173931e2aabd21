"""The panel *Fuse two images*.

In: two layers, a prompt or a drawing, settings. Out: the layers of a result. The form holds the
controls, a job what was asked for, the runner carries it out in a worker thread.
"""
