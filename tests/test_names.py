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
        # data sets: ADNI, OASIS, IXI, HCP, BraTS, autoPET, HECKTOR, SynthRAD
        ("ADNI_002_S_0413_MR_MPRAGE_br_raw_20060519_1_S13894_I14437.nii", "MR", "T1"),
        ("ADNI_002_S_0413_PT_AV45_Coreg,_Avg,_Standardized_Image_Br_I2.nii", "PT", None),
        ("ADNI_023_S_0030_MR_Axial_T2-FLAIR__br_raw.nii", "MR", "FLAIR"),
        ("sub-OAS30001_ses-d2430_acq-AV45_pet.nii.gz", "PT", None),
        ("OAS1_0001_MR1_mpr_n4_anon_111_t88_gfc.nii", "MR", None),
        ("IXI002-Guys-0828-PD.nii.gz", "MR", "PD"),
        ("IXI002-Guys-0828-MRA.nii.gz", "MR", "MRA"),
        ("IXI002-Guys-0828-DTI-00.nii.gz", "MR", None),
        ("T1w_acpc_dc_restore.nii.gz", "MR", "T1"),
        ("BraTS2021_00000_seg.nii.gz", None, None),
        ("CTres.nii.gz", "CT", None),
        ("SUV.nii.gz", "PT", None),
        ("CHUM-001__PT.nii.gz", "PT", None),
        ("cbct.nii.gz", "CT", None),
        ("IRM_T1_gado.nii.gz", "MR", "T1Gd"),
        ("TEP_FDG.nii.gz", "PT", None),
        ("sub-01_UNIT1.nii.gz", "MR", "T1"),
        ("unit1_ir.png", "IR", None),
        ("sub-01_angio.nii.gz", "MR", "MRA"),
        ("sub-01_task-rest_bold.nii.gz", "MR", "T2*"),
        ("t2_space_sag_p2_iso.nii.gz", "MR", "T2"),
        ("5_t2_tirm_tra_dark-fluid.nii.gz", "MR", "FLAIR"),
        ("t2_spc_da-fl_sag.nii.gz", "MR", "FLAIR"),
        # an MR image, but not weighted as the name seems to say
        ("t2_tirm_cor.nii.gz", "MR", None),
        ("T1w_FLAIR_sub.nii.gz", "MR", None),
        ("STIR.nii.gz", "MR", None),
        # without an agent
        ("pre_contrast_T1.nii.gz", "MR", "T1"),
        ("T1_without_contrast.nii.gz", "MR", "T1"),
        ("T1_no_gd.nii.gz", "MR", "T1"),
        ("T1_non-contrast.nii.gz", "MR", "T1"),
        ("sub-01_ce-none_T1w.nii.gz", "MR", "T1"),
        ("T1_preop_gd.nii.gz", "MR", "T1Gd"),
        ("sub-01_inv-2_MP2RAGE.nii.gz", "MR", None),
        ("sub-01_part-phase_T2starw.nii.gz", "MR", None),
        ("sub-01_T1map.nii.gz", "MR", None),
        ("T1_map.nii.gz", "MR", None),
        ("T1w_T2w_ratio.nii.gz", "MR", None),
        ("t1_subtraction.nii.gz", "MR", None),
        ("AX_T1_FLAIR.nii.gz", "MR", None),
        # not what they seem
        ("rct_to_t1.nii.gz", None, None),
        ("PETtoT1.nii.gz", "PT", None),
        ("rctToT1.nii.gz", None, None),
        ("rCTtoMR.nii.gz", "CT", None),
        ("planning_CT_dose.nii.gz", None, None),
        ("pet_zscore.nii.gz", None, None),
        ("target_in_t1.nii.gz", None, None),
        ("dose_t1_space.nii.gz", None, None),
        ("CT01_T1.nii.gz", None, None),
        ("PET_t2.nii.gz", None, None),
        ("aparc+aseg.nii.gz", None, None),
        ("T1_pve_0.nii.gz", None, None),
        ("pet_mumap.nii.gz", None, None),
        ("ctrl_subject.nii.gz", None, None),
        ("spectrum.nii.gz", None, None),
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
        # words glued to an organ, a plane or a number; a word written in mixed case
        ("MRHead.nrrd", "MR", None),
        ("CTACardio.nii.gz", "CT", None),
        ("headct.nii.gz", "CT", None),
        ("petscan01.png", "PT", None),
        ("MRIscan.png", "MR", None),
        ("SAGT1.nii.gz", "MR", "T1"),
        ("3DT1.nii.gz", "MR", "T1"),
        ("avg152T1.nii", "MR", "T1"),
        ("avg152PD.nii", "MR", "PD"),
        ("DaTSCAN.nii.gz", "NM", None),
        ("T1+C.nii.gz", "MR", "T1Gd"),
        ("t1wgd.nii", "MR", "T1Gd"),
        ("mwir.png", "IR", None),
        ("OAS31001_CTd1.nii.gz", "CT", None),
        # suffixes of BIDS
        ("sub-01_task-rest_space-T1w_boldref.nii.gz", "MR", "T2*"),
        ("sub-01_magnitude1.nii.gz", "MR", None),
        ("sub-01_Chimap.nii.gz", "MR", None),
        ("sub-01_asl.nii.gz", "MR", None),
        ("low_dose_ct.nii.gz", "CT", None),
        ("low_field_T1.nii.gz", "MR", "T1"),
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
        ("bert/mri/aparc+aseg.nii.gz", None, None),
        ("bert/mri/orig.nii.gz", "MR", None),
        ("OAS30001_AV45_PETd2430/pet1/OAS30001.nii.gz", "PT", None),
        ("pets/dog.png", None, None),
        ("PD/case01.nii.gz", None, None),
        ("mri/PD/case01.nii.gz", "MR", None),
        ("imagesTr/case_0000.nii.gz", None, None),
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


@pytest.mark.parametrize(
    ("path", "suggested", "doubt"),
    [
        ("GM_T1.nii.gz", "MR", "gm"),
        ("T1_white_matter.nii.gz", "MR", "white matter"),
        ("lesion_T1.nii.gz", "MR", "lesion"),
        ("t1ce_tumour.nii.gz", "MR", "tumour"),
        ("sub-01_label-GM_T1w.nii.gz", "MR", "label"),
        ("sub-01_desc-fused_T1w.nii.gz", "MR", "fused"),
        ("c1T1.nii", "MR", "c1"),
        ("mwp2sub-01_T1w.nii", "MR", "mwp2"),
        ("y_T1.nii", "MR", "y"),
        ("c1_T1.nii", None, None),  # the T1 of control 1
        ("ct_ground_truth.png", "CT", "ground truth"),
        ("pet_mask.nii.gz", "PT", "mask"),
        ("CT_GTVp.nii.gz", "CT", "gtvp"),
        ("ir_labels.png", "IR", "labels"),
        ("T1_brainmask.nii.gz", "MR", "brainmask"),
        ("MNI152_T1_2mm_strucseg.nii.gz", "MR", "strucseg"),
        ("CHUM-001__CT__bbox.nii.gz", "CT", "bbox"),
        ("bert/mri/wm.nii.gz", "MR", "wm"),
        ("ct/segmentations/liver.nii.gz", "CT", "segmentations"),
        ("CHAOS/MR/1/Ground/IMG-0004.png", "MR", "ground"),
        ("brain_tumor_mri/Tr-gl_0010.jpg", None, None),  # images of tumours
        ("low_dose_ct.nii.gz", None, None),
        ("t1_bias_corrected.nii.gz", None, None),
        ("T1_bias_field.nii.gz", "MR", "bias"),
        ("field_of_view_ct.nii.gz", None, None),
        ("T1_1Warp.nii.gz", "MR", "1warp"),
    ],
)
def test_the_name_of_a_mask_or_map_only_suggests(path, suggested, doubt):
    found = facts_in_name(Path("/data") / path)
    assert (found.suggested, found.doubt) == (suggested, doubt)
    assert doubt is None or (found.modality, found.contrast) == (None, None)


def test_folders_of_visits_are_no_contrasts(tmp_path):
    for name in ("T1", "T2", "FLAIR"):
        (tmp_path / name).mkdir()
    path = tmp_path / "T1" / "case01.nii.gz"
    assert facts_in_name(path).contrast == "T1"
    (tmp_path / "T0").mkdir()
    assert facts_in_name(path).modality is None
    assert facts_in_name(path.with_name("case01_T1w.nii.gz")).contrast == "T1"


def test_the_name_is_nearer_than_the_folder():
    found = facts_in_name(Path("/data/pet/sub-01_T1w.nii.gz"))
    assert (found.modality, found.source) == ("MR", "file name")


@pytest.mark.parametrize(
    ("text", "contrast"),
    [
        ("t1_mprage_sag_p2_iso", "T1"),
        ("AX T1 POST GAD", "T1Gd"),
        ("ax t2 flair fs", "FLAIR"),
        ("t2_tirm_tra_dark-fluid", "FLAIR"),
        ("T2 SPACE DarkFluid", "FLAIR"),
        ("Sag T1 FLAIR", None),  # the times decide
        ("t1_mp2rage_sag_INV2", None),
        ("ADC map", "ADC"),
        ("AX T1 PRE CONTRAST", "T1"),
        ("Cor T1 w/o Gd", "T1"),
        ("AX T1 FS +C", "T1Gd"),
        ("SAG T1 C+", "T1Gd"),
        ("T1 C+S", "T1"),
        ("T2* GRE", "T2*"),
        ("ep2d_diff ADC", "ADC"),
        ("PD TSE", "PD"),
        ("localiser", None),
        ("", None),
    ],
)
def test_descriptions(text, contrast):
    assert contrast_in(text) == contrast
