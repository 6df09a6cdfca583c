"""What can't be done with an adapter that isn't merged into its base: refused before it is trained."""

from roadtrain.spec.deploy import Deploy
from roadtrain.spec.evaluate import Evaluate
from roadtrain.spec.train import Train

VLLM_RANK = 512  # the highest of vllm.config.lora.MaxLoRARanks


def check_adapter_use(train: Train, ablation: str, evaluate: Evaluate, deploy: Deploy) -> None:
    """Raises ValueError naming the key that doesn't go with `lora: {merge: false}` of an ablation."""
    lora = train.lora
    if lora is None or lora.merge:
        return
    alone = f"ablations.{ablation}: an epoch is an adapter alone (lora.merge: false)"
    if deploy.checkpoint == "best":
        raise ValueError(
            f"deploy.checkpoint: best: {alone}, and NIM for VLMs 1.x serves none: merge: true, or checkpoint: quantized,"
            " which has it in its weights"
        )
    if evaluate.engine != "vllm":
        return
    if others := sorted(lora.parts() - {"language"}):
        raise ValueError(
            f"evaluate.engine: vllm: {alone}, and vLLM applies adapters to the language model only, not to {others[0]}:"
            " merge: true, or engine: local"
        )
    if lora.rank > VLLM_RANK:
        raise ValueError(
            f"evaluate.engine: vllm: {alone}, and vLLM takes ranks up to {VLLM_RANK}, not {lora.rank}: merge: true, or engine: local"
        )
