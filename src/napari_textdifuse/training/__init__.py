"""Training of the light network. Fusion never imports it.

In: folders of image pairs, a `TrainConfig` and weights to start from.
Out: a weights folder, checkpoints to resume from, and a log of the losses.
"""
