"""How fast models are traced and counted, beside other counters: `make bench`, or
`python -m tests.benchmarks.trace_speed [--markdown] [--repeats N] [--threads N]`.

One run times every tool on the same models in turn, round by round, so that whatever else the
machine does meets all of them alike; printed are medians. "ours" is `trace_model` and
`count_actions` under convention `exact`. Goals: ResNet-34 in a quarter of the time of torch's
FlopCounterMode, on real or on meta tensors, whichever is faster; SMART ResNet-34 with all its zeros
in four times our time of the dense one; a decoder of seven billion parameters on meta no slower
than FlopCounterMode. A second table shows what each tool reports for a conditional model.
"""

import argparse
import contextlib
import copy
import io
import logging
import math
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from smartsim.counts import count_actions
from smartsim.models import build_named_model
from smartsim.trace import trace_model

Tool = Callable[[nn.Module, tuple[Tensor, ...]], int]
"""Counts the MACs of a model on its positional inputs."""

OURS, TORCHS = "smartsim", "FlopCounterMode"
TOKENS = 128
DENSE = "ResNet-34, PGD-AT, 32 x 32"
SMART = "ResNet-34, SMART at lam = 1, 32 x 32"
DECODER = f"Llama-2-7B on {TOKENS} tokens, on the meta device"
_FVCORE_MACS = ("conv", "linear", "addmm", "matmul", "bmm", "mm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One tool on one model; `seconds` is None where the tool fails."""

    model: str
    tool: str
    seconds: float | None
    reports: str


def by_smartsim(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """Trace and count; a second input is lam."""
    condition = {"lam": float(inputs[1])} if len(inputs) > 1 else {}
    graph = trace_model(model, inputs[:1], condition=condition)
    return int(count_actions(graph, "exact").total("mac"))


def by_torch(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*inputs)
    return int(counter.get_total_flops()) // 2


def by_fvcore(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    from fvcore.nn import FlopCountAnalysis

    counted = FlopCountAnalysis(model, inputs).by_operator()
    return sum(int(counted[name]) for name in _FVCORE_MACS)


def by_thop(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    import thop

    return int(thop.profile(model, inputs=inputs, verbose=False)[0])


def by_torchinfo(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    import torchinfo

    summary = torchinfo.summary(model, input_data=inputs, device=inputs[0].device, verbose=0)
    return int(summary.total_mult_adds)


def by_ptflops(backend: str) -> Tool:
    def count(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
        import ptflops

        names = ("x", "lam") if len(inputs) > 1 else ("input_ids",)
        macs, _ = ptflops.get_model_complexity_info(
            model,
            tuple(inputs[0].shape[1:]),
            input_constructor=lambda _: dict(zip(names, inputs, strict=True)),
            print_per_layer_stat=False,
            as_strings=False,
            backend=backend,
        )
        return int(macs)

    return count


TOOLS: Mapping[str, Tool] = {
    OURS: by_smartsim,
    TORCHS: by_torch,
    "fvcore": by_fvcore,
    "ptflops (aten)": by_ptflops("aten"),
    "ptflops (pytorch)": by_ptflops("pytorch"),
    "torchinfo": by_torchinfo,
    "thop": by_thop,
}


class Logits(nn.Module):
    """A decoder that takes and returns plain tensors, as some of the tools want it."""

    def __init__(self) -> None:
        super().__init__()
        import transformers

        self.decoder: Any = transformers.LlamaForCausalLM(transformers.LlamaConfig())

    def forward(self, input_ids: Tensor) -> Any:
        return self.decoder(input_ids).logits


Job = Callable[[], int]


def make_jobs(model: nn.Module, inputs: tuple[Tensor, ...], *, meta: bool) -> dict[str, Job]:
    """Every tool on a copy of its own; with `meta` ours and torch's once more on meta."""
    jobs: dict[str, Job] = {}
    for name, tool in TOOLS.items():
        jobs[name] = _bind(tool, copy.deepcopy(model), inputs)
        if meta and name in (OURS, TORCHS):
            moved = (inputs[0].to("meta"), *inputs[1:])
            jobs[f"{name} on meta"] = _bind(tool, copy.deepcopy(model).to("meta"), moved)
    return jobs


def _bind(tool: Tool, model: nn.Module, inputs: tuple[Tensor, ...]) -> Job:
    return lambda: tool(model, inputs)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Neither what the tools print nor their warnings belong into the table."""
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def time_jobs(jobs: Mapping[tuple[str, str], Job], repeats: int) -> list[Row]:
    """Median seconds of each job; a round before the first warms up."""
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in jobs}
    reports: dict[tuple[str, str], str] = {}
    for lap in range(repeats + 1):
        for key, job in jobs.items():
            if reports.get(key, "").startswith("fails"):
                continue
            start = time.perf_counter()
            try:
                macs = job()
            except Exception as error:
                reports[key] = f"fails: {type(error).__name__}"
                continue
            if lap:
                seconds[key].append(time.perf_counter() - start)
            reports[key] = f"{macs:,}"
    return [
        Row(
            model=key[0],
            tool=key[1],
            seconds=statistics.median(seconds[key]) if seconds[key] else None,
            reports=reports[key],
        )
        for key in jobs
    ]


def format_table(
    header: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, markdown: bool
) -> str:
    """A table whose first column stands left and the others right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (header, *rows)
    ]
    if not markdown:
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
    rule = "|" + "|".join("---:" if place else "---" for place in range(len(header))) + "|"
    cells = ["| " + " | ".join(row) + " |" for row in (header, *rows)]
    return "\n".join([cells[0], rule, *cells[1:]])


def show(title: str, table: str, *, markdown: bool) -> None:
    print(f"\n{'### ' if markdown else ''}{title}\n\n{table}")


def show_times(model: str, rows: Sequence[Row], *, markdown: bool) -> None:
    mine = [row for row in rows if row.model == model]
    ours = next(row.seconds for row in mine if row.tool == OURS) or math.nan
    cells = [
        (
            row.tool,
            f"{1e3 * row.seconds:.1f}" if row.seconds else "",
            f"{row.seconds / ours:.2f}" if row.seconds else "",
            row.reports,
        )
        for row in mine
    ]
    table = format_table(("tool", "ms", "x ours", "MACs"), cells, markdown=markdown)
    show(model, table, markdown=markdown)


def show_reports(*, markdown: bool) -> None:
    """What each tool says of one network, plain and with noise on its weights."""
    methods = {"PGD-AT": "pgdat", "FLOAT": "float", "SMART": "smart"}
    models = {
        label: build_named_model(f"{method}:resnet34").eval() for label, method in methods.items()
    }
    inputs = (torch.zeros(1, 3, 32, 32), torch.tensor(1.0))
    cells = []
    for name, tool in TOOLS.items():
        if name != OURS:
            with quiet():
                macs = [tool(copy.deepcopy(model), inputs) for model in models.values()]
            noise = "none" if macs == macs[:1] * 3 else "some"
            cells.append((name, *(f"{number:,}" for number in macs), noise))
    graphs = [trace_model(m, inputs[:1], condition={"lam": 1.0}) for m in models.values()]
    for convention in ("dense", "exact"):
        counts = [count_actions(graph, convention) for graph in graphs]
        adds = [f"{c.total('add', stages=('noise',)) / 1e6:.2f}M" for c in counts[1:]]
        row = [f"{int(c.total('mac')):,}" for c in counts]
        cells.append((f"{OURS}, {convention}", *row, " / ".join(adds)))
    table = format_table(("MACs of", *models, "noise ADDs"), cells, markdown=markdown)
    show("ResNet-34 at lam = 1; noise ADDs of FLOAT / SMART", table, markdown=markdown)


def describe_machine() -> str:
    """CPU, cores, torch and its threads."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return (
        f"{names[0] if names else 'unknown CPU'}, {os.cpu_count()} cores; "
        f"torch {torch.__version__}, {torch.get_num_threads()} thread(s)"
    )


def show_goals(rows: Sequence[Row]) -> None:
    seconds = {(row.model, row.tool): row.seconds or math.nan for row in rows}
    ours, on_meta = seconds[DENSE, OURS], seconds[DENSE, f"{OURS} on meta"]
    peer, peer_on_meta = seconds[DENSE, TORCHS], seconds[DENSE, f"{TORCHS} on meta"]
    smart, decoder = seconds[SMART, OURS], seconds[DECODER, OURS]
    print(
        f"\nResNet-34: {ours / min(peer, peer_on_meta):.2f} of {TORCHS}'s time (goal 0.25); "
        f"both on meta {on_meta / peer_on_meta:.2f}\n"
        f"SMART ResNet-34: {smart / ours:.2f} of our time of the dense one (goal 4)\n"
        f"Llama-2-7B: {decoder / seconds[DECODER, TORCHS]:.2f} of {TORCHS}'s time (goal 1)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Time smartsim's tracer beside other counters.")
    parser.add_argument("--markdown", action="store_true", help="tables as Markdown")
    parser.add_argument("--repeats", type=int, default=9, help="rounds that are timed")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(describe_machine())
    images, tokens = (torch.randn(1, 3, 32, 32), torch.tensor(1.0)), torch.zeros(1, TOKENS).long()
    dense, smart = (build_named_model(f"{m}:resnet34").eval() for m in ("pgdat", "smart"))
    with torch.device("meta"):
        decoder = Logits().eval()
    models = {
        DENSE: make_jobs(dense, images, meta=True),
        SMART: make_jobs(smart, images, meta=False),
        DECODER: make_jobs(decoder, (tokens.to("meta"),), meta=False),
    }
    jobs = {(model, tool): job for model, by in models.items() for tool, job in by.items()}
    with quiet():
        rows = time_jobs(jobs, options.repeats)
    for model in models:
        show_times(model, rows, markdown=options.markdown)
    show_reports(markdown=options.markdown)
    show_goals(rows)


if __name__ == "__main__":
    main()
