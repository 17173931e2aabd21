"""The panel *Fuse two images*.

In: two layers, a prompt or a drawing, settings. Out: the layers of a result. The form has the
controls, a job is one request, and the runner executes it in a worker thread.
"""
