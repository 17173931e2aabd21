"""A street at night, seen by a colour camera and by a thermal camera on one optical axis.

Everything is drawn: a ray per pixel meets the ground, a row of houses on each side, or the sky;
persons and a car stand in between. Lamps and headlights shine on all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .figures import Figure, Pose, car, person
from .files import write_png

Floats = npt.NDArray[np.float64]

WIDTH, HEIGHT, FINE = 480, 360, 2  # rendered FINE times larger, then averaged
FOCAL = 455.0  # pixels
HORIZON = 158.0  # pixel row
EYE = 1.9  # camera height, m
LEFT, RIGHT, END = -7.6, 8.2, 85.0  # house fronts and the street's end, m
KERB_LEFT, KERB_RIGHT = -4.4, 5.0
CAR_X, CAR_Z = 1.9, 11.5

#: x, height, z of the lamps, m.
LAMPS = ((-4.9, 5.6, 15.0), (5.5, 5.6, 27.0), (-4.9, 5.6, 40.0), (5.5, 5.6, 54.0))
SODIUM = np.array((1.0, 0.56, 0.20))
NEUTRAL = np.array((1.0, 0.93, 0.84))
HEADLIGHT = np.array((0.95, 0.97, 1.0))

PERSONS = (
    Pose(-6.1, 19.0, 1.80, 0.7, 1, (0.10, 0.12, 0.10), (0.06, 0.07, 0.10)),
    Pose(6.2, 14.5, 1.66, 0.5, -1, (0.20, 0.07, 0.07), (0.05, 0.05, 0.07)),
    Pose(-2.1, 9.2, 1.76, 0.95, 1, (0.07, 0.09, 0.15), (0.08, 0.08, 0.09)),
)


@dataclass
class Canvas:
    """What is known per fine pixel: where it is, its surface, light, heat, and which object."""

    point: Floats  # (Y, X, 3): metres right, up, ahead
    normal: Floats  # (Y, X, 3)
    albedo: Floats  # (Y, X, 3)
    glow: Floats  # (Y, X, 3)
    gloss: Floats  # (Y, X)
    heat: Floats  # (Y, X)
    label: npt.NDArray[np.uint8]  # (Y, X): 0 background, 1 person, 2 car


def make_street(out: Path, seed: int = 5) -> None:
    """Write ``street/visible.png``, ``infrared.png``, ``visible_clean.png`` and the masks.

    Parameters
    ----------
    out : Path
        The folder ``sample_data``.
    seed : int
        For textures, lit windows and noise.
    """
    rng = np.random.default_rng(seed)
    canvas = _background(rng)
    ahead = sorted([(p.z, p) for p in PERSONS] + [(CAR_Z, None)], key=lambda pair: -pair[0])
    for depth, pose in ahead:
        _place(canvas, depth, pose, rng)
    folder = out / "street"
    write_png(folder / "visible_clean.png", _clean(canvas))
    write_png(folder / "visible.png", _night(canvas, rng))
    write_png(folder / "infrared.png", _thermal(canvas, rng))
    for value, name in ((1, "person"), (2, "car")):
        cover = _coarse((canvas.label == value).astype(float))
        write_png(folder / "masks" / f"{name}.png", ((cover >= 0.5) * 255).astype(np.uint8))


def _rays() -> tuple[Floats, Floats]:
    """Return each fine pixel's direction (right, up) per metre ahead."""
    y, x = np.mgrid[0 : HEIGHT * FINE, 0 : WIDTH * FINE]
    right = ((x + 0.5) / FINE - WIDTH / 2) / FOCAL
    up = (HORIZON - (y + 0.5) / FINE) / FOCAL
    return right, up


def _texture(u: Floats, v: Floats, rng: np.random.Generator, size: float) -> Floats:
    """Smooth noise with features of about `size` in the units of `u` and `v`; std about 1."""
    tile = ndimage.gaussian_filter(rng.standard_normal((256, 256)), 1.5, mode="wrap")
    tile /= tile.std()
    return ndimage.map_coordinates(tile, [u / size * 3, v / size * 3], order=1, mode="grid-wrap")


def _background(rng: np.random.Generator) -> Canvas:
    right, up = _rays()
    far = 400.0
    with np.errstate(divide="ignore", invalid="ignore"):
        to_ground = np.where(up < 0, -EYE / up, far)
        to_left = np.where(right < 0, LEFT / right, far)
        to_right = np.where(right > 0, RIGHT / right, far)
    depth = np.minimum.reduce([to_ground, to_left, to_right, np.full_like(up, END)])
    point = np.stack([right * depth, EYE + up * depth, depth], axis=-1)
    x, y, z = np.moveaxis(point, -1, 0)
    ground = to_ground <= depth
    houses = ~ground & ((to_left <= depth) | (to_right <= depth))
    roof = 10.5 + 3.0 * np.mod(np.floor(z / 9.0) * 0.618 + (x > 0) * 0.37, 1.0)
    end_wall = ~ground & ~houses & (y < 9.0 + 2.5 * np.mod(np.floor(x / 6) * 0.618, 1))
    houses &= y < roof
    sky = ~(ground | houses | end_wall)

    normal = np.zeros_like(point)
    normal[ground] = (0, 1, 0)
    normal[houses & (x < 0)] = (1, 0, 0)
    normal[houses & (x > 0)] = (-1, 0, 0)
    normal[end_wall] = (0, 0, -1)
    canvas = Canvas(
        point,
        normal,
        albedo=np.zeros_like(point),
        glow=np.zeros_like(point),
        gloss=np.zeros_like(x),
        heat=np.zeros_like(x),
        label=np.zeros(x.shape, np.uint8),
    )
    _paint_sky(canvas, sky, up)
    _paint_ground(canvas, ground, rng)
    _paint_walls(canvas, houses, np.where(x < 0, z, z + 4.0), rng)
    _paint_walls(canvas, end_wall, x + 40.0, rng)
    _paint_lamps(canvas, sky)
    return canvas


def _paint_sky(canvas: Canvas, sky: npt.NDArray[np.bool_], up: Floats) -> None:
    haze = np.exp(-np.clip(up, 0, None) * 7)
    canvas.glow[sky] = (np.array((0.010, 0.011, 0.016)) * (0.4 + 1.2 * haze[..., None]))[sky]
    canvas.heat[sky] = (0.04 + 0.12 * haze)[sky]


def _paint_ground(canvas: Canvas, ground: npt.NDArray[np.bool_], rng: np.random.Generator) -> None:
    x, _, z = np.moveaxis(canvas.point, -1, 0)
    fine, patch = _texture(x, z, rng, 0.05), _texture(x, z, rng, 1.8)
    fine *= np.exp(-z / 9)  # beyond a few metres the grains are finer than a pixel
    road = ground & (x > KERB_LEFT) & (x < KERB_RIGHT)
    walk = ground & ~road
    base = np.where(road, 0.105, 0.20) * (1 + 0.22 * fine + 0.10 * patch)
    slabs = (np.mod(x, 0.6) < 0.03) | (np.mod(z, 0.9) < 0.03)
    base = np.where(walk & slabs & (z < 25), base * 0.75, base)
    kerb = ground & (
        ((x < KERB_LEFT) & (x > KERB_LEFT - 0.18)) | ((x > KERB_RIGHT) & (x < KERB_RIGHT + 0.18))
    )
    base = np.where(kerb, 0.30, base)
    worn = 0.8 + 0.2 * np.tanh(patch)
    middle = road & (np.abs(x - 0.3) < 0.07) & (np.mod(z, 6.0) < 3.2) & (np.abs(z - 8.9) > 2.2)
    edges = road & ((np.abs(x - KERB_LEFT - 0.35) < 0.05) | (np.abs(x - KERB_RIGHT + 0.35) < 0.05))
    crossing = road & (z > 7.9) & (z < 10.6) & (np.mod(x + 0.2, 1.0) < 0.5)
    base = np.where(middle | edges | crossing, 0.55 * worn, base)
    canvas.albedo[ground] = (base[..., None] * np.array((1.0, 0.98, 0.94)))[ground]
    canvas.gloss[road] = (0.35 + 0.25 * np.tanh(patch))[road]  # damp patches
    tracks = np.exp(-(((np.abs(x - CAR_X) - 0.72) / 0.22) ** 2)) * (z > 5)
    warm = np.where(road, 0.31, 0.27) + 0.015 * patch + 0.008 * fine + 0.04 * tracks * road
    warm += np.where(kerb, -0.03, 0.0) - 0.02 * (crossing | middle)
    warm += 0.05 * np.exp(-np.abs(x - np.where(x < 0, LEFT, RIGHT)) / 0.8)  # heat of the houses
    warm += 0.16 * np.exp(-(((x - CAR_X) / 0.8) ** 2) - ((z - CAR_Z - 0.6) / 1.0) ** 2)
    canvas.heat[ground] = warm[ground]


def _paint_walls(
    canvas: Canvas, wall: npt.NDArray[np.bool_], along: Floats, rng: np.random.Generator
) -> None:
    """Paint house fronts; `along` runs along the street, in metres."""
    y = canvas.point[..., 1]
    house = np.floor(along / 9.0).astype(int) % 64
    tints = rng.uniform(0.05, 0.24, (64, 1)) * rng.uniform(
        (0.95, 0.85, 0.70), (1.1, 1.0, 0.95), (64, 3)
    )
    plaster = _texture(along, y, rng, 0.9)
    bricks = (np.mod(y, 0.24) < 0.04) | (
        np.mod(along + 0.22 * (np.mod(y, 0.48) < 0.24), 0.5) < 0.04
    )
    albedo = tints[house] * (1 + 0.10 * plaster[..., None])
    is_brick = (house % 3 == 0) & (canvas.point[..., 2] < 30)
    albedo *= np.where(is_brick & bricks, 0.7, 1.0)[..., None]

    storey, column = np.floor((y - 0.6) / 3.1).astype(int), np.floor(along / 2.25).astype(int)
    u, v = np.mod(along, 2.25) - 1.125, np.mod(y - 0.6, 3.1) - 1.65
    window = (np.abs(u) < 0.52) & (np.abs(v) < 0.80) & (y > 0.6)
    frame = (np.abs(u) < 0.62) & (np.abs(v) < 0.90) & (y > 0.6) & ~window
    bars = window & ((np.abs(u) < 0.035) | (np.abs(v - 0.2) < 0.035))
    door = (column % 4 == 1) & (y < 2.3) & (np.abs(u) < 0.55)
    window, frame, bars = window & ~door, frame & ~door, bars & ~door
    ledge = np.abs(np.mod(y - 0.3, 3.1)) < 0.14
    albedo = np.where((frame | ledge)[..., None], albedo * 1.5, albedo)
    albedo = np.where(window[..., None], 0.025, albedo)
    albedo = np.where(bars[..., None], 0.16, albedo)
    albedo = np.where(door[..., None], np.array((0.07, 0.05, 0.035)), albedo)

    chance = rng.random((8, 97))[np.clip(storey, 0, 7), column % 97]
    warmth = rng.uniform(0.25, 1.0, (8, 97))[np.clip(storey, 0, 7), column % 97]
    hue = rng.uniform(0.0, 1.0, (8, 97))[np.clip(storey, 0, 7), column % 97]
    lit = window & ~bars & (chance < 0.26)
    curtain = 0.55 + 0.45 * np.clip((0.52 - np.abs(u)) / 0.3, 0, 1) * (0.8 + 0.2 * np.sin(u * 40))
    shade = np.where(v > 0.45, 0.6, 1.0)
    colour = np.stack([np.ones_like(hue), 0.66 + 0.16 * hue, 0.30 + 0.35 * hue], -1)
    light = 0.42 * warmth * curtain * shade
    canvas.albedo[wall] = albedo[wall]
    canvas.glow[wall] = (np.where(lit, light, 0.0)[..., None] * colour)[wall]
    canvas.gloss[wall & window] = 0.15
    heat = 0.285 + 0.05 * (np.mod(house * 0.618, 1.0) - 0.5) + 0.012 * plaster
    heat += np.where(window, 0.055 + 0.05 * (chance < 0.26), 0.0) + np.where(frame, 0.03, 0.0)
    heat += np.where(door, 0.02, 0.0) - 0.012 * ledge
    heat -= 0.05 * np.clip(y / 12, 0, 1)
    canvas.heat[wall] = heat[wall]


def _paint_lamps(canvas: Canvas, sky: npt.NDArray[np.bool_]) -> None:
    """Draw posts, arms and heads of the street lamps."""
    right, up = _rays()
    for lamp_x, lamp_y, z in LAMPS[::-1]:
        x, y = right * z, EYE + up * z
        inward = -np.sign(lamp_x)
        post = (np.abs(x - lamp_x) < 0.07 - 0.006 * y) & (y < lamp_y) & (y > 0)
        arm = (np.abs(y - lamp_y - 0.05) < 0.04) & ((x - lamp_x) * inward > -0.05)
        arm &= (x - lamp_x) * inward < 0.9
        head = np.hypot((x - lamp_x - inward * 1.0) / 0.32, (y - lamp_y) / 0.09) < 1
        for part, heat in ((post | arm, 0.24), (head, 0.60)):
            canvas.albedo[part] = (0.08, 0.08, 0.08)
            canvas.normal[part] = (0, 0, -1)
            canvas.point[part] = np.stack([x, y, np.full_like(x, z)], -1)[part]
            canvas.glow[part] = 0
            canvas.gloss[part] = 0
            canvas.heat[part] = heat
        bulb = head & (y < lamp_y - 0.005)
        canvas.glow[bulb] = -6.0  # a mark: the lamps' colour depends on the image


def _place(canvas: Canvas, depth: float, pose: Pose | None, rng: np.random.Generator) -> None:
    """Put a person, or the car, in front of what is drawn so far."""
    right, up = _rays()
    centre = CAR_X if pose is None else pose.x
    x, y = right * depth - centre, EYE + up * depth
    grain = _texture(x, y, rng, 0.16)
    figure: Figure = car(x, y, grain) if pose is None else person(x, y, pose, grain)
    ground = (canvas.normal[..., 1] == 1) & (canvas.label == 0)
    reach, thick = (1.05, 1.6) if pose is None else (0.34, 0.30)
    ahead = canvas.point[..., 2] - depth - (0.9 if pose is None else 0.05)
    away = np.hypot((canvas.point[..., 0] - centre) / reach, ahead / thick)
    canvas.albedo *= np.where(ground, 1 - 0.75 * np.exp(-(away**2)), 1)[..., None]  # its shadow

    inside = figure.inside
    pixel = depth / FOCAL / FINE
    slope_y, slope_x = np.gradient(figure.bulge, pixel)
    normal = np.stack([-slope_x, slope_y, -np.ones_like(x)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    canvas.normal[inside] = normal[inside]
    at = np.stack([right * depth, y, depth - figure.bulge], -1)
    canvas.point[inside] = at[inside]
    canvas.albedo[inside] = figure.albedo[inside]
    canvas.glow[inside] = (figure.glow[..., None] * 7.0 * HEADLIGHT)[inside]
    canvas.gloss[inside] = 0.5 if pose is None else 0.0
    canvas.heat[inside] = np.clip(figure.heat, 0, 1)[inside]
    canvas.label[inside] = 2 if pose is None else 1


def _light(canvas: Canvas, lamp_colour: Floats, ambient: Floats) -> Floats:
    """Return linear radiance (Y, X, 3)."""
    view = np.array((0, EYE, 0)) - canvas.point
    view /= np.linalg.norm(view, axis=-1, keepdims=True)
    bulbs = (canvas.glow < 0).all(-1)
    total = canvas.albedo * ambient
    total += np.where(bulbs[..., None], 6.0 * lamp_colour, canvas.glow.clip(0))
    sources = [((lx - np.sign(lx), ly, lz), 85.0 * lamp_colour, None) for lx, ly, lz in LAMPS]
    aim = np.array((-0.02, -0.07, -1.0))
    sources += [
        ((CAR_X + side, 0.63, CAR_Z - 0.5), 150.0 * HEADLIGHT, aim / np.linalg.norm(aim))
        for side in (-0.66, 0.66)
    ]
    for place, power, beam in sources:
        way = np.array(place) - canvas.point
        distance = np.linalg.norm(way, axis=-1, keepdims=True).clip(0.3)
        way = way / distance
        strength = (way * canvas.normal).sum(-1, keepdims=True).clip(0) / distance**2
        if beam is None:  # a lamp shines down
            cone = np.clip(way[..., 1:2], 0, 1) ** 0.6
        else:
            towards = (-way * beam).sum(-1, keepdims=True).clip(0)
            cone = towards**60 + 0.03 * towards**4
        half = way + view
        half /= np.linalg.norm(half, axis=-1, keepdims=True).clip(1e-6)
        shine = (half * canvas.normal).sum(-1, keepdims=True).clip(0) ** 110
        surface = canvas.albedo + 0.9 * canvas.gloss[..., None] * shine
        total += power * cone * strength * surface / np.pi
    return total


def _coarse(fine: Floats) -> Floats:
    """Average fine pixels to the image's own."""
    shape = (HEIGHT, FINE, WIDTH, FINE, *fine.shape[2:])
    return fine.reshape(shape).mean(axis=(1, 3))


def _bloom(linear: Floats, amount: float) -> Floats:
    """Spread the light of bright places, as lenses do."""
    bright = np.clip(linear - 0.7, 0, 5.0)
    veil = sum(
        ndimage.gaussian_filter(bright, (s, s, 0)) * w for s, w in ((2, 0.5), (7, 0.35), (22, 0.3))
    )
    return linear + amount * veil


def _to_8_bit(linear: Floats, gamma: float = 2.2) -> npt.NDArray[np.uint8]:
    return np.rint(np.clip(linear, 0, 1) ** (1 / gamma) * 255).astype(np.uint8)


def _clean(canvas: Canvas) -> npt.NDArray[np.uint8]:
    """Expose the same street well: white lamps, a bright sky's light, no noise."""
    linear = _coarse(np.clip(_light(canvas, NEUTRAL, np.array((0.62, 0.66, 0.74))), 0, 8))
    linear = _bloom(linear * 1.5, 0.15)
    return _to_8_bit(linear / (1 + 0.35 * linear))


def _night(canvas: Canvas, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Record it as a camera does: dark, sodium light, glare, photon and read-out noise."""
    ambient = np.array((0.020, 0.020, 0.030))
    linear = _coarse(np.clip(_light(canvas, SODIUM, ambient), 0, 8))
    linear = ndimage.gaussian_filter(_bloom(linear, 0.8), (0.6, 0.6, 0))
    linear *= 0.62 * np.array((1.06, 0.98, 0.86))  # short exposure, warm cast
    photons = rng.poisson(np.clip(linear, 0, 4) * 900) / 900
    read = rng.normal(0, 0.0035, linear.shape)
    blotches = ndimage.gaussian_filter(rng.normal(0, 1, linear.shape), (1.2, 1.2, 0))
    rows = rng.normal(0, 0.0006, (HEIGHT, 1, 1))
    noisy = photons + read + 0.004 * blotches + rows + 0.004
    return _to_8_bit(noisy / (1 + 0.25 * noisy.clip(0)))


def _thermal(canvas: Canvas, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """White-hot infrared: soft optics, sensor noise and faint columns."""
    haze = 1 - np.exp(-canvas.point[..., 2] / 260.0)
    heat = (
        canvas.heat * (1 - haze)
        + 0.24 * haze * (canvas.heat > 0.2)
        + canvas.heat * haze * (canvas.heat <= 0.2)
    )
    heat = ndimage.gaussian_filter(_coarse(heat), 0.9)
    heat += 0.015 * ndimage.gaussian_filter(heat, 12)  # a little stray heat
    heat += rng.normal(0, 0.011, heat.shape) + rng.normal(0, 0.004, (1, WIDTH))
    return np.rint(np.clip(0.02 + 0.95 * heat, 0, 1) * 255).astype(np.uint8)
