"""A MONAI dictionary transform that fuses two images."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .errors import InputError, MissingDependencyError
from .io._files import to_json

try:
    from monai.transforms import MapTransform
except ImportError as error:
    raise MissingDependencyError(
        f"FuseTextDifused needs the package monai ({error}); install it with: pip install monai."
    ) from error

if TYPE_CHECKING:
    from .fusion import FusionPipeline


class FuseTextDifused(MapTransform):  # type: ignore[misc]
    """Fuse two images of a dictionary, for `monai.transforms.Compose`.

    Parameters
    ----------
    keys : sequence of two keys
        Image A and image B: MONAI tensors, channel first or not, of one channel (or colours).
    fused_key : hashable
        Key of the fused image: a `MetaTensor` of shape (1 or 3, X, Y[, Z]) in [0, 1] on the
        grid of image A. ``meta["record"]`` is its record as JSON.
    mask_key, contribution_key, uncertainty_key : hashable, optional
        Keys of the other images; an image that does not exist is left out.
    prompt : str, optional
        Prompt for every sample.
    prompt_key : hashable, optional
        Key of a sample's own prompt, which has priority over `prompt`.
    pipeline : FusionPipeline, optional
        By default with the embedded weights, loaded at the first sample of each worker.
    allow_missing_keys : bool
        Return samples unchanged that lack an image.
    **options
        Further options of `napari_textdifuse.fuse`, such as ``modality={"a": "MR", "b": "PT"}``.

    Raises
    ------
    InputError
        If `keys` are not two, or an option is invalid (when a sample is fused).

    Examples
    --------
    >>> from monai.transforms import Compose, LoadImaged
    >>> from napari_textdifuse.monai_transform import FuseTextDifused
    >>> steps = Compose([
    ...     LoadImaged(("mri", "pet"), ensure_channel_first=True),
    ...     FuseTextDifused(("mri", "pet"), fused_key="fused", mask_key="mask", prompt="tumour"),
    ... ])  # doctest: +SKIP
    """

    def __init__(
        self,
        keys: Sequence[Hashable],
        fused_key: Hashable = "fused",
        *,
        mask_key: Hashable | None = None,
        contribution_key: Hashable | None = None,
        uncertainty_key: Hashable | None = None,
        prompt: str | None = None,
        prompt_key: Hashable | None = None,
        pipeline: FusionPipeline | None = None,
        allow_missing_keys: bool = False,
        **options: Any,
    ) -> None:
        if isinstance(keys, str) or len(keys) != 2:
            raise InputError(f"keys must name image A and image B, not {keys!r}.")
        super().__init__(keys, allow_missing_keys)
        self.outputs = {
            "fused": fused_key,
            "mask": mask_key,
            "contribution": contribution_key,
            "uncertainty": uncertainty_key,
        }
        self.prompt, self.prompt_key = prompt, prompt_key
        self.options = options
        self._pipeline = self._given = pipeline

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the fused images to the sample."""
        sample = dict(data)
        missing = [key for key in self.keys if key not in sample]
        if missing and self.allow_missing_keys:
            return sample
        if missing:
            raise KeyError(
                f"the sample has no {missing[0]!r}; it has {', '.join(map(str, sample))}"
            )
        if self._pipeline is None:
            from .fusion import FusionPipeline

            self._pipeline = FusionPipeline.from_pretrained()
        prompt = sample.get(self.prompt_key, self.prompt) if self.prompt_key else self.prompt
        a, b = (sample[key] for key in self.keys)
        result = self._pipeline(a, b, prompt=prompt, **self.options)
        for what, key in self.outputs.items():
            if key is not None and getattr(result, what) is not None:
                sample[key] = result.to_monai(what)
                sample[key].meta["record"] = to_json(result.record)
        return sample

    def __getstate__(self) -> dict[str, Any]:
        """Leave out embedded weights: each worker process loads its own."""
        return {**self.__dict__, "_pipeline": self._given}
