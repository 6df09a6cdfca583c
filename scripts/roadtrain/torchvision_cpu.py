"""Let PyPI's torchvision import beside a CPU-only torch.

PyPI builds torchvision against CUDA. Beside a CPU build of torch its compiled operators can't be loaded, and
`import torchvision` stops with "operator torchvision::nms does not exist": it registers a shape function for
an operator that nobody declared. Declaring the two schemas is enough for torchvision.transforms, all that
transformers and qwen-vl-utils use. They get no kernel: calling nms still fails loudly. With a CUDA build, or
a torchvision whose operators load, `ensure` does nothing.
"""

_library = None  # the schemas live as long as this object


def ensure() -> None:
    """Call before the first import of torchvision (transformers' processors and qwen-vl-utils import it)."""
    global _library
    import torch

    if _library is not None or torch.version.cuda is not None or torch.version.hip is not None:
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    try:
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    except RuntimeError:
        return  # a working torchvision is already imported and has declared them
    _library = library
