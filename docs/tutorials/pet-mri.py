# # Fuse in Python, step by step
#
# This tutorial uses the bundled sample. It is also available as a notebook ([pet-mri.ipynb](pet-mri.ipynb)) and as a
# script ([pet-mri.py](pet-mri.py)).

from napari_textdifuse import FusionPipeline
from napari_textdifuse.samples import load_sample

mri, pet = load_sample("pet-mri")  # or read("t1.nii.gz"), read("pet_series/")
pet.unit, pet.modality, pet.spacing  # "SUVbw", "PT", mm in the order of the axes

# Load the network once and use it for many fusions. Start with one slice:

pipeline = FusionPipeline.from_pretrained(device="cpu")
result = pipeline(mri, pet, "tumour", slices=30, quality="fast")
result

# The result is on the grid of the chosen slices:

result.fused.shape, result.mask.shape, result.label_names
result.detections.boxes  # x0, y0, z0, x1, y1, z1 in voxels of the result
result.record["inputs"]["b"]["window"], result.record["warnings"]

# A session caches what the diffusion computed. With another strength, prompt or corrected mask, only what changed is
# recomputed:

session = pipeline.session(mri, pet, slices=30, quality="fast")
plain = session.fuse()
strong = session.fuse("tumour", strength=1.5)
corrected = strong.mask.copy()
corrected[0, 60:64, 90:94] = 1
updated = session.fuse(mask=corrected)
abs(updated.fused - plain.fused)[corrected == 0].max()  # 0: nothing changes outside the mask

# Write it with its geometry and its record:

import tempfile
from pathlib import Path

from napari_textdifuse import write

with tempfile.TemporaryDirectory() as folder:
    write(Path(folder) / "fused.nii.gz", result.volume("fused"), record=result.record)

# In napari's console, pass the layers directly:
#
#     from napari_textdifuse import fuse
#     fuse(viewer.layers["t1"], viewer.layers["pet"], prompt="tumour")
