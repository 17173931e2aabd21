"""Enhanced PET (PS3.3 A.56): what it states elsewhere, and otherwise, than classic PET."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedPETImageStorage

from .dicom_numbers import number, put

#: In place of DecayCorrection (0054,1102): values as each frame was acquired.
PER_FRAME = "PER FRAME"
#: No tracer is given with more; above, the dose is in Bq already, against the standard.
_MOST_MBQ = 1e5


def is_enhanced(header: Dataset) -> bool:
    """Return whether a header, or that of a frame, is one of enhanced PET."""
    return bool(header.get("SOPClassUID") == EnhancedPETImageStorage)


def as_classic(frame: Dataset) -> Dataset:
    """Return the header of an enhanced frame with the attributes of classic PET.

    Parameters
    ----------
    frame : Dataset
        With its functional groups at the top level.

    Returns
    -------
    Dataset
        A copy. CorrectedImage (0028,0051) and DecayCorrection (0054,1102) follow from Decay
        Corrected and Attenuation Corrected (0018,9758 and 9759); decay correction is always to one
        moment (0018,9701), or else to that of each frame. The tracer is the one that the frame
        names (0018,9729), its dose in Bq in place of MBq (C.8.22.4).
    """
    made = Dataset()
    made.update(frame)
    uncorrected = str(frame.get("DecayCorrected") or "").upper() == "NO"
    flags = {"ATTN": frame.get("AttenuationCorrected"), "DECY": frame.get("DecayCorrected")}
    corrected = [word for word, flag in flags.items() if str(flag or "").upper() == "YES"]
    # what is not corrected for decay is corrected here, from the moment of each frame
    put(made, CorrectedImage=[*corrected, "DECY"] if uncorrected else corrected)
    if uncorrected:
        put(made, DecayCorrection=PER_FRAME)
    elif frame.get("DecayCorrectionDateTime"):
        put(made, DecayCorrection="START")
    tracers = frame.get("RadiopharmaceuticalInformationSequence") or []
    agent = number(frame, "RadiopharmaceuticalAgentNumber")
    used = [t for t in tracers if len(tracers) == 1 or _is_agent(t, agent)]
    put(made, RadiopharmaceuticalInformationSequence=Sequence([_in_becquerel(t) for t in used]))
    return made


def _is_agent(tracer: Dataset, agent: float | None) -> bool:
    return agent is None or number(tracer, "RadiopharmaceuticalAgentNumber") == agent


def _in_becquerel(tracer: Dataset) -> Dataset:
    dose = number(tracer, "RadionuclideTotalDose")
    made = Dataset()
    made.update(tracer)
    if dose is not None and dose < _MOST_MBQ:
        put(made, RadionuclideTotalDose=f"{dose * 1e6:.10g}")  # at most 16 characters
    return made
