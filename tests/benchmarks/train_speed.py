"""How fast PGD-AT and OAT train: `python -m tests.benchmarks.train_speed`, one core.

Prints images per second of one step, ours beside a plain transcription of the official one in the
same run: fp32, contiguous, nothing folded; attack gradients by `autograd.grad`, as in ours. Time is
CPU time on a CPU, and the device's own with `--device cuda`. Beside it stands how much of the
device's arithmetic ours uses: multiplications of a step, over those of a large matrix product
in the same format and run. Goals where the CPU multiplies bf16: 1.9x on ResNet-34, 2.5x on the
laptop preset; elsewhere 1x.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from smartsim import count_actions, trace_model
from smartsim.models import ConditionalModel, build_from_settings
from smartsim.train.data import DatasetSpec, make_synthetic
from smartsim.train.loop.distributed import Processes
from smartsim.train.loop.folder import RunFolder
from smartsim.train.loop.state import prepare_run
from smartsim.train.loop.step import take_step
from smartsim.train.methods.steps import draw_lams
from smartsim.train.settings import make_settings
from tests.benchmarks.timing import best_seconds

REPEATS = 5
SPEC = DatasetSpec(
    name="synthetic", classes=10, shape=(3, 32, 32), train_count=2_048, test_count=10
)
EPSILON, STEPS = 8 / 255, 7
STEP_SIZE = 10 / 255 / 7


def plain_attack(model: ConditionalModel, x: Tensor, y: Tensor, lam: Tensor | float) -> Tensor:
    """The official attack: eval mode, random start, sign steps, clipped."""
    model.eval()
    found = (x + torch.empty_like(x).uniform_(-EPSILON, EPSILON)).clamp(0, 1)
    for _ in range(STEPS):
        point = found.detach().requires_grad_()
        loss = cross_entropy(model(point, lam), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, point)
        found = found + STEP_SIZE * gradient.sign()
        found = torch.min(torch.max(found, x - EPSILON), x + EPSILON).clamp(0, 1)
    model.train()
    return found.detach()


def plain_step(method: str, model: ConditionalModel, x: Tensor, y: Tensor) -> Tensor:
    """The official loss of a batch."""
    if method == "pgdat":
        return cross_entropy(model(plain_attack(model, x, y, 1.0), 1.0), y)
    lams, clean = draw_lams(len(x), torch.Generator().manual_seed(0))
    lams = lams.to(x.device)
    x_adv = plain_attack(model, x[clean:], y[clean:], lams[clean:])
    losses = (1 - lams) * cross_entropy(model(x, lams), y, reduction="none")
    attacked = cross_entropy(model(x_adv, lams[clean:]), y[clean:], reduction="none")
    return (losses.sum() + (lams[clean:] * attacked).sum()) / len(x)


def clock_of(device: str) -> Callable[[], float]:
    """CPU time where others may use the machine; a GPU's when it has done all that it was given."""

    def wait_and_look() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return time.process_time if device == "cpu" else wait_and_look


def best_warm_seconds(run: Callable[[], object], device: str) -> float:
    """The fastest of a few runs after a first one."""
    run()
    return best_seconds(run, REPEATS, clock_of(device))


def peak_macs_per_second(precision: str, device: str) -> float:
    """What a large matrix product reaches, in multiply-accumulates a second."""
    size = 1_024 if device == "cpu" else 8_192
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return float(size**3 / best_warm_seconds(lambda: left @ right, device))


def macs_of_step(method: str, model: ConditionalModel, batch: int) -> float:
    """Those of the convolutions: a pass forward is one unit, the gradient by activations another.

    Each step of the attack is two units, the loss three, for the gradient by weights is a third.
    """
    graph = trace_model(model, (1, 3, 32, 32), condition={"lam": 1.0})
    forward = count_actions(graph, "dense").total("mac", stages=("input",))
    if method == "pgdat":
        return forward * batch * (2 * STEPS + 3)
    _, clean = draw_lams(batch, torch.Generator().manual_seed(0))
    return forward * (3 * batch + (batch - clean) * (2 * STEPS + 3))


def compare(method: str, arch: str, batch: int, precision: str, device: str, peak: float) -> None:
    """One line of the table."""
    settings = make_settings(
        method,
        preset="laptop",
        changes={
            "arch": arch,
            "batch_size": batch,
            "precision": precision,
            "data": "synthetic",
            "validation_images": 0,
            "threads": 1,
            **({"film_dimension": 128} if (method, arch) == ("oat", "resnet34") else {}),
        },
    )
    data = make_synthetic(SPEC)
    run = prepare_run(settings, data, RunFolder(path=Path("unused")), device, Processes())
    places = torch.arange(batch, device=device)
    ours = best_warm_seconds(lambda: take_step(run, places), device)

    model = build_from_settings(settings.model)
    share = macs_of_step(method, model, batch) / ours / peak
    model.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    x, y = data.train_images[:batch].to(device).float() / 255, data.train_labels[:batch].to(device)

    def official() -> None:
        loss = plain_step(method, model, x, y)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    plain = best_warm_seconds(official, device)
    print(
        f"{method:<6} {arch:<9} {precision}: ours {batch / ours:9.2f} images a second, "
        f"plain {batch / plain:9.2f}, {plain / ours:.2f}x; {share:.0%} of the peak"
    )


def has_bf16() -> bool:
    """Whether the CPU multiplies bf16 itself."""
    info = Path("/proc/cpuinfo")
    return info.exists() and any(mark in info.read_text() for mark in ("avx512_bf16", "amx_bf16"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    device = parser.parse_args().device
    torch.set_num_threads(1)
    precision = "bf16" if device != "cpu" or has_bf16() else "fp32"
    peak = peak_macs_per_second(precision, device)
    print(f"peak of {precision}: {2 * peak / 1e12:.3g} TFLOP/s by a matrix product")
    batches = (128, 32) if device == "cpu" else (1_024, 256)
    for arch, batch in zip(("resnet8", "resnet34"), batches, strict=True):
        for method in ("pgdat", "oat"):
            compare(method, arch, batch, precision, device, peak)


if __name__ == "__main__":
    main()
