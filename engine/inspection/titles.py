"""What is to be known of a method before it is chosen. Imports nothing heavy: the window's first paint needs it."""

from collections.abc import Mapping

TITLES: Mapping[str, str] = {
    "patchcore": "PatchCore",
    "efficientad": "EfficientAD",
    "anomalydino": "AnomalyDINO",
    "anomalyvfm": "AnomalyVFM",
    "cfa": "CFA",
    "cflow": "CFLOW-AD",
    "cfm": "CFM",
    "csflow": "CS-Flow",
    "dfkde": "DFKDE",
    "dfm": "DFM",
    "dinomaly": "Dinomaly",
    "draem": "DRAEM",
    "dsr": "DSR",
    "anomalib_efficientad": "EfficientAD of anomalib",
    "fastflow": "FastFlow",
    "foundad": "FoundAD",
    "fre": "FRE",
    "ganomaly": "GANomaly",
    "generalad": "GeneralAD",
    "glass": "GLASS",
    "inpformer": "INP-Former",
    "l2bt": "L2BT",
    "mhpatchcore": "MH-PatchCore",
    "padim": "PaDiM",
    "anomalib_patchcore": "PatchCore of anomalib",
    "patchflow": "PatchFlow",
    "rad": "RAD",
    "reversedistillation": "Reverse Distillation",
    "stfpm": "STFPM",
    "superadd": "SuperADD",
    "supersimplenet": "SuperSimpleNet",
    "uflow": "U-Flow",
    "uninet": "UniNet",
    "vlmad": "VLM-AD",
    "winclip": "WinCLIP",
}
"""Names as the papers write them: Sightline's own methods, then anomalib's image models by `anomalib_names()`."""

ONE_PASS = frozenset(
    {"patchcore", "anomalydino", "dfkde", "dfm", "mhpatchcore", "padim", "anomalib_patchcore", "rad", "superadd"}
)
"""Methods that learn in one pass over the pictures: they have no training steps."""


def method_title(method: str) -> str:
    """A method's name as people write it; one that nobody knows stays as it is."""
    return TITLES.get(method, method)
