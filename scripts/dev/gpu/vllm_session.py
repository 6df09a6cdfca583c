"""vLLM on a real GPU, in phases; what each found goes to OUT/vllm.json as soon as it is known.

    machine            GPUs, driver, software, whether vLLM's kernels load
    base               2B weights at random in memory, 24 clips of noise
    local              the sample's checkpoints by evaluate_local.py on the GPU: BF16, FP8 static and dynamic, NVFP4, FP8 with FP8
                       keys and values, LoRA
    vllm_<checkpoint>  each by evaluate_vllm.py; vllm_again: BF16 a second time; vllm_two: BF16 on two GPUs (skipped where there is one)
    compared           vLLM's answers beside the local evaluator's on this GPU
    serve_nframes      serve.py, smoke_test.py and ask.py over HTTP, static FP8, 8 frames of each video
    serve_fps          the same, BF16, by frames a second
    bench_local        questions a second at 2B, 2,880 tokens, free answers of 16 tokens and letters, end to end and by itself
    bench_vllm         the same

Each is a process with a time limit. All but the benches run side by side and share the GPU; the benches load beside them and wait until
the GPU is theirs. A phase that fails, or has to be ended, leaves the end of its log in the report; the others run. Logs: OUT/logs.tar.xz.
"""

from dev.gpu.session import Phase, Session, alone, read_arguments, visible_gpus
from dev.gpu.vllm_phases import MANIFESTS, PHASES

VLLM = tuple(f"vllm_{name}" for name in (*MANIFESTS, "again", "two"))
SERVERS = ("serve_nframes", "serve_fps")
EARLY = ("machine", "base", "local", *VLLM, "compared", *SERVERS)
PLAN = {
    "machine": Phase(90),
    "base": Phase(90),
    **{name: Phase(200, all_gpus=name == "vllm_two") for name in VLLM},
    "local": Phase(200),
    **{name: Phase(260) for name in SERVERS},
    "compared": Phase(30, after=("local", *VLLM)),
    "bench_local": Phase(120, after=("base",), gate=EARLY),
    "bench_vllm": Phase(180, after=("base",), gate=(*EARLY, "bench_local")),
}


def main() -> None:
    args = read_arguments(__doc__, PLAN, packages="vLLM's", minutes=9)
    args.gpus = len(visible_gpus())
    if args.alone:
        alone(args, args.phases[0], PHASES)
    else:
        Session(args, args.phases or list(PLAN), PLAN, __file__, "vllm").run()


if __name__ == "__main__":
    main()
