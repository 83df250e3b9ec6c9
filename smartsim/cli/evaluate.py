"""The verb `evaluate`. Heavy imports happen inside."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smartsim.cli.device import choose_device, device_option
from smartsim.cli.door.answer import JsonLayout, collect_facts, print_answer, say
from smartsim.cli.door.kinds import FOLDER, LAMS, OutFile
from smartsim.cli.door.verb import reads, verb
from smartsim.cli.options import json_option

if TYPE_CHECKING:
    from smartsim.train.evaluate.worst_case import Score

__all__ = ["evaluate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """What `evaluate` is asked."""

    run: Path
    lam: tuple[float, ...] | None
    attacks: str
    images: int
    strong_images: int
    autoattack_images: int
    autoattack_lam: tuple[float, ...] | None
    draws: int
    batch_size: int
    epsilon: str
    seed: int
    checkpoint: str
    label: str | None
    device: str
    output: Path | None
    json: JsonLayout | None


@verb(example="smartsim evaluate runs/smart --attacks clean,fgsm,pgd7,pgd50,eot -o smart.json")
@click.argument("run", type=FOLDER, help="Folder that `smartsim train` wrote.")
@click.option("--lam", type=LAMS, help="Values of lam.  [default: 0,0.2,0.7,1; PGD-AT: its own]")
@click.option("--attacks", default="clean,fgsm,pgd7", metavar="NAMES", help="In this order.")
@click.option("--images", default=1_000, type=int, help="For cheap attacks.")
@click.option("--strong-images", default=500, type=int, help="For strong attacks.")
@click.option("--autoattack-images", default=200, type=int, help="For AutoAttack.")
@click.option(
    "--autoattack-lam", type=LAMS, help="Where AutoAttack runs, such as 0,1.  [default: all]"
)
@click.option("--draws", default=8, type=int, help="Forward passes of a noisy model.")
@click.option("--batch-size", default=250, type=int, help="Images of one forward.")
@click.option("--epsilon", default="8/255", metavar="NUMBER", help="Radius, in [0, 1].")
@click.option("--seed", default=0, type=int, help="Of starts and noise.")
@click.option("--checkpoint", default="best", metavar="NAME", help="best or last.")
@click.option("--label", metavar="LABEL", help="What the report calls the model.")
@device_option
@click.option("-o", "--output", type=OutFile(".json"), help="Result file.")
@json_option
@reads(EvaluateOptions)
def evaluate(options: EvaluateOptions) -> None:
    """Attack the model of RUN, and write what stands as a result file.

    Attacks: clean, fgsm, pgd7 (the paper's), pgd50, eot, pgd7-known, pgd50-known, autoattack,
    autoattack-rand. Strong ones run only on images that still stand. A file that is there
    already is added to, lam by lam.
    """
    from smartsim.train.evaluate.plans import EvaluationSettings, parse_epsilon
    from smartsim.train.evaluate.result_file import evaluate_run

    settings = EvaluationSettings(
        attacks=tuple(name.strip() for name in options.attacks.split(",") if name.strip()),
        images=options.images,
        strong_images=options.strong_images,
        autoattack_images=options.autoattack_images,
        autoattack_lams=options.autoattack_lam,
        epsilon=parse_epsilon(options.epsilon),
        draws=options.draws,
        batch_size=options.batch_size,
        seed=options.seed,
    )
    path = evaluate_run(
        options.run,
        settings,
        lams=options.lam,
        which=options.checkpoint,
        label=options.label,
        device=choose_device(options.device),
        output=options.output,
        facts={"provenance": dict(collect_facts())},
        tell=_tell_score if options.json is None else _tell_nothing,
    )
    if options.json is not None:
        from smartsim.records.files import read_json

        content: dict[str, Any] = read_json(path, "a result file")
        print_answer(options.json, str, lambda: content)
    say(f"written: {path}", err=options.json is not None)


def _tell_score(score: "Score") -> None:
    say(
        f"lam {score.lam:<4g} {score.attack:<16} {score.accuracy:6.2f} % "
        f"+-{score.standard_error:.2f}  n={score.images:<5} {score.scope}"
    )


def _tell_nothing(score: "Score") -> None:
    """JSON is asked for, and comes at the end."""
