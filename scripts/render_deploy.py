#!/usr/bin/env python3
"""Write the launch manifests of a checkpoint: docker.sh, compose.yaml, nimservice.yaml, deployment.yaml (NVIDIA NIM),
vllm-compose.yaml, vllm-deployment.yaml (vLLM's own image), vss.env, manifest.json.

Inputs: the checkpoint's manifest, its accuracy and the gate, and the run's conversations: a server takes as many videos a prompt as they have
(one without them). A quantized checkpoint that failed the gate is refused
(exit code 1, with the numbers) unless the spec says deploy.allow_failed_gate: true, and one on which the gate is
undecided unless it says deploy.allow_undecided_gate: true; then manifest.json says so.
Everything from the spec is quoted by the rules of the language it is written into; no path of this machine gets in.

    python scripts/render_deploy.py --checkpoint results/sample/nframes8/quantized/fp8.json --gate results/sample/nframes8/quantized/gate.json \\
        --accuracy results/sample/nframes8/accuracy/fp8.json --run sample --ablation nframes8 --spec-hash 0 --output-dir deploy \\
        --llava results/sample/data/train.llava.json results/sample/data/val.llava.json
"""

import argparse
from pathlib import Path

from roadtrain import cli
from roadtrain.data.llava import videos_a_prompt
from roadtrain.deploy.manifests import accuracy_of, check_gate, deploy_manifest, write_launchers
from roadtrain.deploy.server_words import container_command
from roadtrain.evaluate.vllm.options import vllm_options
from roadtrain.model.checkpoints import read_manifest
from roadtrain.spec.arguments import add_section, vision_setting
from roadtrain.spec.deploy import Deploy
from roadtrain.spec.train import Train


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True, help="manifest of the checkpoint that is deployed, or best.json")
    parser.add_argument("--gate", required=True, help="gate.json")
    parser.add_argument(
        "--accuracy", required=True, nargs="+", help="accuracy JSON; of several, that of the checkpoint is taken"
    )
    add_section(parser, "deploy", Deploy)
    parser.add_argument("--run", required=True)
    parser.add_argument("--ablation", required=True)
    parser.add_argument("--spec-hash", required=True)
    parser.add_argument("--vision", metavar="JSON", help='how videos are sampled, as in the spec: {"nframes": 8}')
    most = Train().model_max_length
    parser.add_argument(
        "--max-length", type=cli.at_least(1), default=most, help="tokens of a prompt with its answer (%(default)s)"
    )
    parser.add_argument(
        "--llava",
        nargs="+",
        default=[],
        metavar="FILE",
        help="the run's conversations: as many videos a prompt are taken",
    )
    parser.add_argument("--templates", default="templates", help="default: %(default)s")
    parser.add_argument("--output-dir", required=True, type=Path)
    args = parser.parse_args()

    deploy = args.deploy
    checkpoint = read_manifest(args.checkpoint)
    accuracy = accuracy_of(checkpoint["checkpoint"], args.accuracy)
    verdict = check_gate(checkpoint["checkpoint"], args.gate, deploy)
    videos = max(1, videos_a_prompt(args.llava))
    manifest = deploy_manifest(args.run, args.ablation, args.spec_hash, deploy, checkpoint, accuracy, verdict, videos)
    if verdict and not verdict["passed"]:
        print(f"warning: {checkpoint['checkpoint']}: the gate: {verdict['in_words']}; the spec allows it")
    vision = vision_setting(args.vision) if args.vision else None
    options = vllm_options(args.max_length, deploy.gpus, {"video": videos})
    command = container_command(deploy.served_name, vision, options)
    write_launchers(manifest, deploy, command, args.templates, args.output_dir)


if __name__ == "__main__":
    main()
