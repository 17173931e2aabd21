"""Spheres of known activity on any grid."""

from __future__ import annotations

import numpy as np

from napari_textdifuse import Volume


def grid_of(spacing, degrees=0.0, size=64.0, centre=(0.0, 0.0, 0.0)):
    """Affine (x, y, z; RAS mm) and shape (Z, Y, X) of a cube of `size` mm around `centre`."""
    angle = np.deg2rad(degrees)
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, c, -s], [0, s, c]]
    )
    count = [round(size / v) | 1 for v in spacing]  # x, y, z
    affine = np.eye(4)
    affine[:3, :3] = turn * np.array(spacing)
    affine[:3, 3] = np.array(centre) - affine[:3, :3] @ ((np.array(count) - 1) / 2)
    return affine, tuple(count[::-1])


def distance(affine, shape, centre):
    """Distance in mm of every voxel centre from a point in RAS mm."""
    z, y, x = np.indices(shape)
    world = np.stack([x, y, z], axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    return np.linalg.norm(world - np.array(centre), axis=-1)


def volume_of(function, affine, shape, centre, **facts):
    """A volume of a function of the distance from a point."""
    values = function(distance(affine, shape, centre)).astype(np.float32)
    return Volume(values, affine=affine, **facts)


def ball_mean_of_gaussian(sigma, radius):
    """Mean of exp(-r^2 / 2 sigma^2) over a ball, in closed form.

    The integral of r^2 exp(-r^2 / 2 s^2) from 0 to R is
    s^3 sqrt(pi/2) erf(R / s sqrt 2) - s^2 R exp(-R^2 / 2 s^2).
    """
    from math import erf, exp, pi, sqrt

    whole = sigma**3 * sqrt(pi / 2) * erf(radius / (sigma * sqrt(2)))
    whole -= sigma**2 * radius * exp(-(radius**2) / (2 * sigma**2))
    return 3 * whole / radius**3
