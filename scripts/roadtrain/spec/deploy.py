"""`deploy`: the manifests for NVIDIA NIM, and for vLLM's own image."""

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from roadtrain.spec.section import Integer, Line, Section

# A claim's name as Kubernetes has it (RFC 1123): labels with dots between them.
LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"


def _image(name: str) -> str:
    if name.startswith("-"):
        raise ValueError("docker would take it for an option: no image's name begins with a dash")
    return name


def _address(host: str) -> str:
    """Without brackets, as servers want it. Raises ValueError."""
    try:
        address = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
        if "%" in str(address):  # an interface: docker takes none
            raise ValueError
        return str(address)
    except ValueError:
        raise ValueError(
            "should be an IP address of this machine, as 127.0.0.1, ::1 or 0.0.0.0 (all of them)"
        ) from None


VLLM_RELEASE = "0.26.0"  # that of envs/vllm.yaml


class Deploy(Section):
    nim_image: Annotated[Line, AfterValidator(_image)] = Field(
        "nvcr.io/nim/nvidia/cosmos-reason2-2b:1.7.0", description="NIM's container image"
    )
    vllm_image: Annotated[Line, AfterValidator(_image)] = Field(
        f"vllm/vllm-openai:v{VLLM_RELEASE}",
        description="the image of vllm-compose.yaml and vllm-deployment.yaml, for who has no NIM: the release of envs/vllm.yaml",
    )
    checkpoint: Literal["quantized", "best"] = Field(
        "quantized", description="the first of quantize.precisions, behind the gate, or the best epoch as it is (BF16)"
    )
    verify: Literal["offline", "served"] = Field(
        "offline",
        description="whose answers the gate judges: the evaluation's, or (served) those that the deployed checkpoint gives over HTTP to the"
        " videos themselves, from vLLM's server (its environment: `make vllm` or envs/vllm.yaml; evaluate.gpus of them)",
    )
    pvc: Annotated[str, Field(pattern=rf"^{LABEL}(\.{LABEL})*$", max_length=253)] | None = Field(
        None, description="Kubernetes: the claim that holds weights/<run>/..; without it /opt/roadtrain on the node"
    )
    served_name: Line = Field("cosmos-reason2-2b", description="what requests call the model")
    host: Annotated[Line, AfterValidator(_address)] = Field(
        "127.0.0.1", description="the address that the service listens on"
    )
    port: Annotated[Integer, Field(ge=1, le=65535)] = Field(8000, description="the port that the service listens on")
    gpus: Annotated[Integer, Field(ge=1, le=1024)] = Field(1, description="GPUs of the service")
    allow_failed_gate: bool = Field(
        False, description="deploy although quantization lost too much; said in the manifest"
    )
    allow_undecided_gate: bool = Field(
        False, description="deploy although there are too few scenarios to tell; said in the manifest"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.verify == "served" and self.checkpoint == "best":
            raise ValueError(
                "verify: served: the gate judges quantized checkpoints, and checkpoint: best deploys none: verify: offline, or"
                " checkpoint: quantized"
            )
        return self

    def launching(self) -> str:
        """The part that defines the launch manifests, as JSON: render_deploy.py --deploy."""
        standard = {"verify"} if self.verify == "offline" else set()  # earlier runs stay as they are
        return self.model_dump_json(exclude=standard)
