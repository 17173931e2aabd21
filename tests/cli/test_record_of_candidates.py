"""Candidates in the record that the command line writes: kind, score and reason of each."""

from types import SimpleNamespace

import numpy as np

from napari_textdifuse.locate import LexiconLocator
from napari_textdifuse.results.folder import full_record
from napari_textdifuse.volume import Volume


def test_each_candidate_has_its_score_and_reason():
    z, y, x = np.indices((24, 40, 40))
    pet = np.where((y - 20) ** 2 + (x - 20) ** 2 < 256, 5.0, 0.0)
    for middle in ((12, 20, 12), (12, 20, 28)):
        off = (z - middle[0]) ** 2 + (y - middle[1]) ** 2 + (x - middle[2]) ** 2
        pet = np.where(off < 12, 16.0, pet)
    image = Volume(
        pet.astype(np.float32), affine=np.diag([4.0, 4, 4, 1]), unit="SUVbw", modality="PT"
    )
    location = LexiconLocator().locate([image], "Hirntumor")
    result = SimpleNamespace(detections=location.detections, record={"prompt": "Hirntumor"})
    record = full_record(result)
    assert record["prompt"] == "Hirntumor"
    assert [row["label"] for row in record["detections"]] == ["tumour", "tumour"]
    for row in record["detections"]:
        assert row["kind"] == "candidate"
        assert 0.5 < row["score"] <= 1
        assert "mL, mean" in row["reason"]
        assert "SUVbw against" in row["reason"]
        assert len(row["box"]) == 6
