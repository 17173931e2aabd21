"""What names say: a table of names both ways."""

from pathlib import Path

import pytest

from napari_textdifuse.names import contrast_in, facts_in_name


@pytest.mark.parametrize(
    ("name", "modality", "contrast"),
    [
        ("sub-01_T1w.nii.gz", "MR", "T1"),
        ("sub-01_ses-02_ce-gadolinium_T1w.nii.gz", "MR", "T1Gd"),
        ("sub-01_T2w.nii", "MR", "T2"),
        ("sub-01_PDw.nii.gz", "MR", "PD"),
        ("sub-01_FLAIR.nii.gz", "MR", "FLAIR"),
        ("sub-01_trc-FDG_pet.nii.gz", "PT", None),
        ("sub-01_ct.nii.gz", "CT", None),
        ("sub-pet01_T1w.nii.gz", "MR", "T1"),
        ("sub-01_space-MRI_pet.nii.gz", "PT", None),
        ("sub-01_space-T1w_ct.nii.gz", "CT", None),
        ("BraTS20_001_t1ce.nii.gz", "MR", "T1Gd"),
        ("BraTS-GLI-00000-000-t1c.nii.gz", "MR", "T1Gd"),
        ("BraTS-GLI-00000-000-t1n.nii.gz", "MR", "T1"),
        ("BraTS-GLI-00000-000-t2f.nii.gz", "MR", "FLAIR"),
        ("BraTS-GLI-00000-000-t2w.nii.gz", "MR", "T2"),
        ("MPRAGE_01.nii", "MR", "T1"),
        ("patient3_mprage_gd.nii", "MR", "T1Gd"),
        ("t1_post.nii.gz", "MR", "T1Gd"),
        ("t1_post_op.nii.gz", "MR", "T1"),
        ("CT_AVM.nii.gz", "CT", None),
        ("PET_suv.nii.gz", "PT", None),
        ("PETCTcase.nii.gz", None, None),
        ("ct01.png", "CT", None),
        ("thermal16.png", "IR", None),
        ("LWIR0003.png", "IR", None),
        ("vis1.png", None, None),  # a visit
        ("brainCT.nii", "CT", None),
        ("case01-MRI.png", "MR", None),
        ("ct_to_mr.nii.gz", "CT", None),
        ("ct2mr.nii.gz", "CT", None),
        ("pet_in_mri_space.nii.gz", "PT", None),
        ("subject_2_ct.nii.gz", "CT", None),
        ("SPECT_rest.nii", "NM", None),
        ("01_IR.png", "IR", None),
        ("01_vis.png", "VIS", None),
        ("frame_infrared.tif", "IR", None),
        # not what they seem
        ("octopus.png", None, None),
        ("petra.nii", None, None),
        ("carpet.nii.gz", None, None),
        ("aspect.png", None, None),
        ("contract.nii", None, None),
        ("fact.nii.gz", None, None),
        ("district_9.png", None, None),
        ("mrs_smith.nii", None, None),
        ("mission.png", None, None),
        ("direction.png", None, None),
        ("firefly.png", None, None),
        ("visit01.png", None, None),
        ("suv.jpg", None, None),
        ("time_t1.tif", None, None),
        ("PD_patient01.nii", None, None),
        ("pet_mask.nii.gz", None, None),
        ("lesion_seg_ct.nii.gz", None, None),
        ("PET_MRI.nii.gz", None, None),
        ("ir_t1.nii.gz", "MR", "T1"),
        ("case01.nii.gz", None, None),
        ("", None, None),
        ("...", None, None),
    ],
)
def test_names(name, modality, contrast):
    found = facts_in_name(Path("/data") / name)
    assert (found.modality, found.contrast) == (modality, contrast)
    assert found.source == ("file name" if modality else found.source)


@pytest.mark.parametrize(
    ("path", "modality", "contrast"),
    [
        ("mri/case01.nii.gz", "MR", None),
        ("pet/case01.nii.gz", "PT", None),
        ("CT/2004.png", "CT", None),
        ("sub-01/anat/x.nii.gz", "MR", None),
        ("set/T2/case01.nii.gz", "MR", "T2"),
        ("ct/case01/image.nii.gz", "CT", None),
        ("MRI scans/case 3/a.nii", "MR", None),
        ("ir/00001.png", "IR", None),
        ("vi/00001.png", "VIS", None),
        ("petra/case01.nii.gz", None, None),
        ("octopus/a.png", None, None),
        ("pet-mri/case01.nii.gz", None, None),
        ("PET/pet_mask.nii.gz", None, None),
        ("masks/pet/case01.nii.gz", "PT", None),
        ("ct/a/b/c/case01.nii.gz", "CT", None),
        ("mr/p1/2020-01-01/series/scan/image.nii.gz", "MR", None),
        ("ct study/a/b/c/case01.nii.gz", None, None),  # a word, too far above
        ("ct/a/b/c/d/e/f/g/h/case01.nii.gz", None, None),  # too far above
        ("ct/masks/a/b/case01.nii.gz", None, None),
        ("CTs/case01.nii.gz", "CT", None),
        ("pt/case01.png", "PT", None),
        ("pt/case01.nii.gz", "PT", None),
        ("pt/a/b/c/case01.nii.gz", None, None),
        ("home/mr/data/case01.nii.gz", None, None),  # somebody's initials
        ("Users/CT/case01.png", None, None),
        ("home/mr/pet/case01.nii.gz", "PT", None),
    ],
)
def test_folders(path, modality, contrast):
    found = facts_in_name(Path("/data") / path)
    assert (found.modality, found.contrast) == (modality, contrast)
    if modality:
        assert found.source == "folder name"


def test_the_name_is_nearer_than_the_folder():
    found = facts_in_name(Path("/data/pet/sub-01_T1w.nii.gz"))
    assert (found.modality, found.source) == ("MR", "file name")


@pytest.mark.parametrize(
    ("text", "contrast"),
    [
        ("t1_mprage_sag_p2_iso", "T1"),
        ("AX T1 POST GAD", "T1Gd"),
        ("ax t2 flair fs", "FLAIR"),
        ("T2* GRE", "T2*"),
        ("ep2d_diff ADC", "ADC"),
        ("PD TSE", "PD"),
        ("localiser", None),
        ("", None),
    ],
)
def test_descriptions(text, contrast):
    assert contrast_in(text) == contrast
