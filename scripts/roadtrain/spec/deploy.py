"""`deploy`: the manifests for NVIDIA NIM."""

from typing import Annotated, Literal

from pydantic import Field

from roadtrain.spec.section import Integer, Line, Section


class Deploy(Section):
    nim_image: Line = Field("nvcr.io/nim/nvidia/cosmos-reason2-2b:1.7.0", description="the container image")
    checkpoint: Literal["quantized", "best"] = Field(
        "quantized", description="the first of quantize.precisions, behind the gate, or the best epoch as it is (BF16)"
    )
    pvc: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)] | None = Field(
        None, description="Kubernetes: the claim that holds weights/<run>/..; without it /opt/roadtrain on the node"
    )
    served_name: Line = Field("cosmos-reason2-2b", description="what requests call the model")
    host: Line = Field("127.0.0.1", description="the address that the service listens on")
    port: Annotated[Integer, Field(ge=1, le=65535)] = Field(8000, description="the port that the service listens on")
    gpus: Annotated[Integer, Field(ge=1, le=1024)] = Field(1, description="GPUs of the service")
    allow_failed_gate: bool = Field(
        False, description="deploy although quantization lost too much; said in the manifest"
    )
    allow_undecided_gate: bool = Field(
        False, description="deploy although there are too few scenarios to tell; said in the manifest"
    )
