"""Ventricles are marked without the fluid that lies near them."""

import numpy as np
import pytest
from scipy import ndimage

from napari_textdifuse.locate import LexiconLocator
from napari_textdifuse.locate.ventricles import _most_like

FLUID = {"T2": 1100.0, "FLAIR": 80.0, "MR": 150.0}


def find(image):
    return LexiconLocator().locate([image], "ventricle").mask > 0


def ball(shape, centre, radii):
    """Centre and radii in mm, Z, Y, X, from the middle of a head with voxels of 2 mm."""
    places = np.indices(shape).transpose(1, 2, 3, 0) * 2.0
    middle = (np.array(shape) - 1.0) + np.array(centre)
    return (((places - middle) / np.array(radii)) ** 2).sum(axis=-1) < 1


def with_fluid(image, contrast, where):
    soft = ndimage.gaussian_filter(where.astype(np.float32), 0.5)
    value = np.float32(FLUID[contrast])
    return image.with_array(image.array * (1 - soft) + value * soft)


@pytest.mark.parametrize("contrast", FLUID)
@pytest.mark.parametrize("backwards", [False, True])
def test_the_cistern_behind_the_third_ventricle_is_none(head, contrast, backwards):
    image = head.make(contrast, lesion={"T2": 380, "FLAIR": 400, "MR": 720}[contrast])
    third = ball(image.shape, (6, -4, 0), (8, 10, 4))
    cistern = ball(image.shape, (6, -24, 0), (9, 10, 9))
    image = with_fluid(image, contrast, third | cistern)
    if backwards:  # the same head, stored from front to back
        affine = image.affine.copy()
        affine[:3, 3] += affine[:3, 1] * (image.shape[1] - 1)
        affine[:3, 1] *= -1
        image = type(image)(
            np.ascontiguousarray(image.array[:, ::-1]),
            affine=affine,
            unit=image.unit,
            modality=image.modality,
        )
    mask = find(image)
    mask = mask[:, ::-1] if backwards else mask
    assert mask[head.ventricle].mean() > 0.8
    assert mask[third].mean() > 0.6
    assert mask[cistern].mean() < 0.1


def test_small_parts_of_fissures_do_not_stand_for_the_ventricles(head):
    shape, mm = head.ventricle.shape, (2.0, 2.0, 2.0)
    fold = ball(shape, (20, 40, 30), (9, 9, 9))  # 3 mL, parted from the rest at a lower level
    levels = [(0.0, fold), (0.2, head.ventricle | fold), (0.35, head.ventricle)]
    assert _most_like(iter(levels), mm)[0] == 0.2
    # ventricles as short as these are taken where nothing longer is parted
    assert _most_like(iter(levels[:1]), mm)[0] == 0.0
    assert _most_like(iter([(0.0, np.zeros(shape, bool))]), mm)[1] is None
