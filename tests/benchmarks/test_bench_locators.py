"""The latency of locators, with tiny networks in their real formats."""

import locators

import tiny_models


def test_one_row_for_each_way_to_a_mask(tmp_path, capsys):
    detector = tiny_models.save_owl(tmp_path / "owlvit-tiny")
    segmenter = tiny_models.save_transformers_sam(tmp_path / "sam-tiny")
    out = tmp_path / "table.md"
    options = {"detectors": detector, "segmenter": segmenter, "out": out, "threads": 1}
    locators.main([f"--{name}={value}" for name, value in options.items()])
    table = [line for line in out.read_text().splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in table[2:]] == [
        "| lexicon",
        "| owlvit-tiny, sam-tiny",
        "| box, classical",
        "| box, sam-tiny",
    ]
    assert all(float(cell) >= 0 for row in table[2:] for cell in row.strip("| ").split(" | ")[1:])
    assert out.read_text() in capsys.readouterr().out
