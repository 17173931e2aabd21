"""Networks that find what is bright in their own input; all the way around them stays real."""

from __future__ import annotations

import torch

from napari_textdifuse.locate.sam import TransformersSam


def plant_detector(detector, monkeypatch):
    """Make an `OwlDetector` find one box, around what is bright."""

    def see(pixel_values, **_):
        seen = pixel_values[0].mean(dim=0)
        rows, columns = torch.nonzero(seen > (seen.min() + seen.max()) / 2, as_tuple=True)
        side = seen.shape[-1]
        low = torch.stack([columns.min(), rows.min()]) / side
        high = torch.stack([columns.max() + 1, rows.max() + 1]) / side
        box = torch.cat([(low + high) / 2, high - low]).float()
        return box.repeat(9, 8)[None].reshape(1, 3, 3, 32), None

    monkeypatch.setattr(detector.model, "image_embedder", see)
    monkeypatch.setattr(detector.model, "box_predictor", lambda features, grid: features[..., :4])


def plant_segmenter(segmenter, monkeypatch):
    """Make either kind of SAM take what is bright for the object; returns the boxes it is given."""

    def see(pixel_values):
        return torch.nn.functional.avg_pool2d(pixel_values.mean(dim=1, keepdim=True), 4)

    seen_boxes = []
    if isinstance(segmenter, TransformersSam):
        real = segmenter.model.prompt_encoder.forward

        def prompts(**given):
            seen_boxes.append(given["input_boxes"][0].numpy())
            return real(**given)

        def decode(image_embeddings, sparse_prompt_embeddings, **_):
            n = sparse_prompt_embeddings.shape[1]
            masks = image_embeddings[:, None].expand(1, n, 1, -1, -1) - 0.5
            return masks, torch.ones(1, n, 1)

        monkeypatch.setattr(segmenter.model, "get_image_embeddings", see)
        monkeypatch.setattr(segmenter.model.prompt_encoder, "forward", prompts)
        monkeypatch.setattr(segmenter.model.mask_decoder, "forward", decode)
    else:
        sam = segmenter.predictor.model
        real = sam.prompt_encoder.forward

        def prompts(points, boxes, masks):
            seen_boxes.append(boxes.numpy())
            return real(points, boxes, masks)

        def decode(image_embeddings, sparse_prompt_embeddings, **_):
            n = len(sparse_prompt_embeddings)
            return image_embeddings.expand(n, 1, -1, -1) - 0.5, torch.ones(n, 1)

        monkeypatch.setattr(sam.image_encoder, "forward", see)
        monkeypatch.setattr(sam.prompt_encoder, "forward", prompts)
        monkeypatch.setattr(sam.mask_decoder, "forward", decode)
    return seen_boxes
