"""vLLM on a real GPU, in phases; what each found goes to OUT/vllm.json as soon as it is known.

    machine            GPUs, driver, software, whether vLLM's kernels load
    base               2B weights at random in memory, 24 clips of noise
    local              the sample's checkpoints by evaluate_local.py on the GPU: BF16, FP8 static and dynamic, NVFP4, FP8 with FP8
                       keys and values, LoRA
    vllm_<checkpoint>  each by evaluate_vllm.py; vllm_again: BF16 a second time; vllm_two: BF16 on two GPUs (skipped where there is one)
    compared           vLLM's answers beside the local evaluator's on this GPU
    together           the local evaluator's answers with some clips in one pass, against each alone
    decoding           the GPU's tests of tests/unit/evaluate/test_decoding.py
    gate_<ablation>_<reader>   deploy.verify: served: every question over HTTP with the videos themselves, static FP8, and the gate;
                       the server's reader is ours (roadtrain) or its own (vllm); nframes8 and fps2
    serve_<ablation>_<reader>  serve.py, smoke_test.py and ask.py over HTTP: nframes8 static FP8, fps2 BF16
    bench_local        questions a second at 2B, 2,880 tokens, free answers of 16 tokens and letters, end to end and by itself
    bench_vllm         the same

Each is a process with a time limit. All but the benches share the GPU side by side (servers for people come after the gate's, which
leave them compiled kernels); the benches load beside them and wait until the GPU is theirs. A phase that fails, or has to be ended, leaves the end of its log in the report; the others run. Logs: OUT/logs.tar.xz.
"""

from dev.gpu.session import Phase, Session, alone, read_arguments, visible_gpus
from dev.gpu.vllm_phases import MANIFESTS, PHASES
from dev.gpu.vllm_served import READERS, VISIONS
from dev.gpu.vllm_served import phases as served_phases

VLLM = tuple(f"vllm_{name}" for name in (*MANIFESTS, "again", "two"))
GATES, SERVERS = (
    tuple(f"{kind}_{name}_{reader}" for name in VISIONS for reader in READERS) for kind in ("gate", "serve")
)
EARLY = ("machine", "base", "decoding", "local", "together", *VLLM, "compared", *GATES, *SERVERS)
PLAN = {
    "machine": Phase(90),
    "base": Phase(90),
    "decoding": Phase(200),
    **{name: Phase(300) for name in GATES},
    **{name: Phase(300, all_gpus=name == "vllm_two") for name in VLLM},
    "local": Phase(200, after=GATES),
    "together": Phase(200, after=GATES),
    **{name: Phase(300, after=GATES) for name in SERVERS},
    "compared": Phase(30, after=("local", *VLLM)),
    "bench_local": Phase(150, after=("base", *GATES), gate=EARLY),
    "bench_vllm": Phase(180, after=("base", *GATES), gate=(*EARLY, "bench_local")),
}


def main() -> None:
    args = read_arguments(__doc__, PLAN, packages="vLLM's", minutes=9)
    args.gpus = len(visible_gpus())
    if args.alone:
        alone(args, args.phases[0], PHASES | served_phases())
    else:
        Session(args, args.phases or list(PLAN), PLAN, __file__, "vllm").run()


if __name__ == "__main__":
    main()
