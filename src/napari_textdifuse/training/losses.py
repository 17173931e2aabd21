"""Losses of the stages."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..diffusion import Schedule
from ..models.gradients import magnitude, sobel


def variational_bound(
    schedule: Schedule, z: Tensor, x0_true: Tensor, x0: Tensor, variance: Tensor, t: Tensor
) -> Tensor:
    """KL term for the variance (Nichol & Dhariwal 2021, Sec. 3.1), in bits per pixel.

    Parameters
    ----------
    schedule : Schedule
    z, x0_true, x0 : Tensor, shape (B, 1, H, W)
        Noisy sample, clean image, and the network's clean estimate (no gradient flows into it).
    variance : Tensor, shape (B, 1, H, W)
        The network's interpolation coefficient.
    t : Tensor, shape (B,)
        Step numbers of the full schedule; step 0 has no predecessor and is left out.
    """
    acp = torch.from_numpy(schedule.alphas_cumprod)
    index = t.long().clamp(min=1).cpu()
    a, a_next = acp[index], acp[index - 1]
    beta = 1 - a / a_next
    lowest = beta * (1 - a_next) / (1 - a)

    def column(values: Tensor) -> Tensor:
        return values.float().to(z.device).view(-1, 1, 1, 1)

    coef = column(a_next.sqrt() * beta / (1 - a))
    log_true = column(lowest.clamp(min=1e-20).log())
    log_max = column(beta.log())
    share = (variance + 1) / 2
    log_model = share * log_max + (1 - share) * log_true
    shift = coef * (x0_true - x0.detach())  # the z terms of both means cancel
    kl = 0.5 * (
        log_model
        - log_true
        + torch.exp(log_true - log_model)
        + shift**2 * torch.exp(-log_model)
        - 1
    )
    valid = (t > 0).view(-1, 1, 1, 1).to(z.dtype)
    return (kl * valid).mean() / math.log(2)


def slopes(x: Tensor) -> Tensor:
    """Horizontal and vertical Sobel derivatives, ``(B, 2, H, W)``, edges replicated."""
    return sobel(x, replicate=True) / 4


def correlation_loss(fused: Tensor, x: Tensor, y: Tensor, counted: Tensor | None = None) -> Tensor:
    """Correlation of differences as a loss: ``2 - corr(x, f - y) - corr(y, f - x)``.

    The maximum of both sources (Eq. 10) drops one of them wherever the other is brighter; this
    term makes the difference to one source look like the other (sum of correlations of
    differences, Aslantas & Bendes 2015).

    Parameters
    ----------
    fused, x, y : Tensor, shape (B, 1, H, W)
    counted : Tensor of bool, shape (B,), optional
        Pairs that count; equal images have no difference.
    """

    def correlation(a: Tensor, b: Tensor) -> Tensor:
        a = a - a.mean(dim=(1, 2, 3), keepdim=True)
        b = b - b.mean(dim=(1, 2, 3), keepdim=True)
        # a flat image has no correlation; the small constant keeps its gradient finite
        scale = (a.square().sum(dim=(1, 2, 3)) * b.square().sum(dim=(1, 2, 3)) + 1e-3).sqrt()
        return (a * b).sum(dim=(1, 2, 3)) / scale

    apart = 2 - correlation(x, fused - y) - correlation(y, fused - x)
    return apart.mean() if counted is None else (apart * counted).mean()


def similarity(x: Tensor, y: Tensor) -> Tensor:
    """Mean structural similarity of images in [0, 1] (Wang et al. 2004), 7x7 uniform windows.

    Parameters
    ----------
    x, y : Tensor, shape (B, 1, H, W)

    Returns
    -------
    Tensor
        A scalar of at most 1.
    """
    size, c1, c2 = 7, 0.01**2, 0.03**2

    def mean(image: Tensor) -> Tensor:
        return F.avg_pool2d(image, size, stride=1)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    light = (2 * mx * my + c1) / (mx * mx + my * my + c1)
    # rounding may leave a flat window with a variance just below 0
    return (light * (2 * cov + c2) / (vx.clamp(min=0) + vy.clamp(min=0) + c2)).mean()


def structure_loss(fused: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Structural dissimilarity to both sources: ``2 - ssim(x, f) - ssim(y, f)``.

    Parameters
    ----------
    fused, x, y : Tensor, shape (B, 1, H, W)
        In [0, 1].
    """
    return 2 - similarity(x, fused) - similarity(y, fused)


def overshoot_loss(fused: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Excess of the result above the brighter source and below the darker one.

    The correlation term is best met by a sum, which is brighter than either source where both are
    bright. This term penalises values outside the interval of both sources.

    Parameters
    ----------
    fused, x, y : Tensor, shape (B, 1, H, W)
    """
    above = F.relu(fused - torch.maximum(x, y))
    below = F.relu(torch.minimum(x, y) - fused)
    return (above + below).mean()


def haze_loss(fused: Tensor, x: Tensor, y: Tensor, share: float = 0.02) -> Tensor:
    """Excess brightness of the result's darkest pixels over those of the darker source.

    A weighted average of two images is darkest where both are dark. If there is no such place, it
    looks hazy. This term demands the contrast range of the darker source.

    Parameters
    ----------
    fused, x, y : Tensor, shape (B, 1, H, W)
    share : float
        Share of the pixels that count as the darkest.
    """

    def darkest(v: Tensor) -> Tensor:
        pixels = v.flatten(1)
        count = max(1, round(share * pixels.shape[1]))
        return pixels.topk(count, dim=1, largest=False).values.mean(dim=1)

    return F.relu(darkest(fused) - torch.minimum(darkest(x), darkest(y))).mean()


#: Half a grey value of 8 bits: smaller errors are equal.
LEAST_ERROR = 0.5 / 255


def quantile_loss(level: Tensor, error: Tensor, share: float) -> Tensor:
    """Quantile loss: minimal if `share` of the errors lie below the level.

    Computed on logarithms, so that small errors count as much as large ones.

    Parameters
    ----------
    level : Tensor
        Natural logarithms of the bounds.
    error : Tensor
        Absolute errors.
    share : float
        Between 0 and 1.
    """
    above = (error + LEAST_ERROR).log() - level
    return torch.maximum(share * above, (share - 1) * above).mean()


def salience(x: Tensor, width: int = 25) -> Tensor:
    """Local variation of an image: mean distance from the mean in a window."""

    def mean(v: Tensor) -> Tensor:
        return F.avg_pool2d(v, width, stride=1, padding=width // 2, count_include_pad=False)

    return mean((x - mean(x)).abs())


#: Targets of the intensity term.
LEVELS = ("maximum", "salience", "adaptive")
#: Mean brightness that separates dark and bright pairs, and the share of salience for bright ones:
#: full salience would replace a bright sky by the black one of the infrared image.
BRIGHT, SHARE = 0.42, 0.6


def level_target(x: Tensor, y: Tensor, kind: str = "maximum") -> Tensor:
    """Target brightness of the result.

    Parameters
    ----------
    x, y : Tensor, shape (B, 1, H, W)
        In [0, 1].
    kind : {"maximum", "salience", "adaptive"}
        ``"maximum"``: the brighter source (Eq. 10). It lifts the dark parts of one source to the
        grey of the other, which looks like haze, and a source that is bright everywhere hides the
        other. ``"salience"``: the average of both, weighted by the square of how much each varies
        around the pixel, so that the level follows the source with more structure.
        ``"adaptive"``: the maximum for dark pairs (medical images, scenes by night) and salience
        for bright ones, depending on the mean of the maximum.
        Two equal images are their own target with either.
    """
    if kind not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}, not {kind!r}.")
    brighter = torch.maximum(x, y)
    if kind == "maximum":
        return brighter
    of_x, of_y = ((salience(v) + 0.01).square() for v in (x, y))
    shown = y + of_x / (of_x + of_y) * (x - y)
    if kind == "salience":
        return shown
    mean = brighter.mean(dim=(1, 2, 3), keepdim=True)
    return brighter + SHARE * torch.sigmoid((mean - BRIGHT) / 0.04) * (shown - brighter)


def fusion_loss(
    fused: Tensor,
    x: Tensor,
    y: Tensor,
    gradient: str = "signed",
    weight: float = 4.0,
    intensity: float = 1.0,
    level: str = "maximum",
) -> tuple[Tensor, Tensor]:
    """Intensity and gradient loss of the fused estimate (Eq. 9-11).

    Parameters
    ----------
    fused, x, y : Tensor, shape (B, 1, H, W)
        Fused estimate and the two clean sources, in [0, 1].
    gradient : {"magnitude", "signed"}
        ``"magnitude"`` is the paper's target, the larger Sobel magnitude. ``"signed"`` is the
        gradient *vector* of the stronger source at the pixel, so that an edge keeps its
        direction; the paper's target also accepts an edge of the wrong sign.
    weight : float
        Weight of the gradient term; the paper has 0.2 for its own target.
    intensity : float
        Weight of the intensity term; 0 leaves it out, as in the paper's ablation.
    level : {"maximum", "salience", "adaptive"}
        Target of the intensity term, see `level_target`; the paper has the maximum.

    Returns
    -------
    intensity, gradient : Tensor
        The two terms, already weighted; their sum is the loss.
    """
    distance = F.l1_loss(fused, level_target(x, y, level))
    gx, gy, gf = slopes(x), slopes(y), slopes(fused)
    if gradient == "magnitude":
        term = F.l1_loss(magnitude(gf), torch.maximum(magnitude(gx), magnitude(gy)))
    elif gradient == "signed":
        term = F.l1_loss(gf, torch.where(magnitude(gx) >= magnitude(gy), gx, gy))
    else:
        raise ValueError(f"gradient must be 'magnitude' or 'signed', not {gradient!r}.")
    return intensity * distance, weight * term
