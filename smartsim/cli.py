"""The command line: one thin verb per room. Heavy imports happen inside the verbs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from smartsim import __version__, cli_simulate, cli_train
from smartsim.errors import ConfigurationError, SmartsimError

if TYPE_CHECKING:
    from smartsim.counts import Convention
    from smartsim.graph import Graph
    from smartsim.report.table2 import MethodTraces

__all__ = ["cli", "main"]

_LABELS = {"pgdat": "PGD-AT", "oat": "OAT", "float": "FLOAT", "smart": "SMART"}
_INPUT = "1,3,32,32"
_TABLE = "horowitz2014_45nm+shiftaddnet2020_asic_45nm"
_PAPER = {"arch": "resnet34", "classes": 10, "shape": _INPUT}


class _OneSentenceGroup(click.Group):
    """A group whose verbs end with one sentence and exit code 2 on every bad input."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            _fail_usage(error)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SmartsimError as error:
            _fail(str(error))
        except click.UsageError as error:
            _fail_usage(error)
        except BrokenPipeError:  # whoever read our output has seen enough
            raise
        except OSError as error:
            _fail(f"{error.filename or 'file'}: {error.strerror or error}")


def _fail_usage(error: click.UsageError) -> NoReturn:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        raise error
    help_of = error.ctx.command_path if error.ctx else "smartsim"
    _fail(f"{error.format_message().rstrip('.')}; see {help_of} --help")


def _fail(sentence: str) -> NoReturn:
    click.echo(f"smartsim: {sentence}", err=True)
    raise SystemExit(2)


@click.group(cls=_OneSentenceGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """What a conditional neural network costs in hardware, by how often each part is paid for."""


_output = click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write.")
_convention = click.option(
    "--convention",
    default="exact",
    show_default=True,
    help="Counting choices: paper, dense, exact, or a TOML file of your own.",
)
_per_switch = click.option(
    "--inferences-per-switch",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Inferences over which what is paid once a lam switch is spread.",
)
_ignore = click.option("--ignore", multiple=True, help="Operator to leave out; may be repeated.")


@cli.command()
@click.argument("model")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    help="Input shape, such as 1,3,32,32, or 1,16:int64; once for each input.",
)
@click.option("--condition", multiple=True, help="What the user sets, such as lam=1.0.")
@click.option(
    "--declare-zeros", multiple=True, help="Parameter whose zeros are structure; * for all."
)
@_output
def trace(
    model: str,
    inputs: tuple[str, ...],
    condition: tuple[str, ...],
    declare_zeros: tuple[str, ...],
    output: Path | None,
) -> None:
    """Trace MODEL by partial evaluation: JSON to a file or a pipe, a table to a terminal.

    MODEL is a built-in such as smart:resnet34, package.module:callable of your own, or a file that
    torch.export.save wrote (.pt2).
    """
    from smartsim.graph import save_graph
    from smartsim.report.layers import render_graph
    from smartsim.trace import load_model, parse_condition, parse_input, trace_model

    given = [parse_input(text) for text in inputs or (_INPUT,)]
    conditions = parse_condition(condition)
    graph = trace_model(
        load_model(model), given, condition=conditions, declared_zeros=declare_zeros, name=model
    )
    if output is not None:
        save_graph(graph, output)
    _show(output, render_graph(graph), graph.to_dict())


@cli.command()
@click.argument("graph", type=click.Path(path_type=Path))
@_convention
@_ignore
@click.option("--all-stages", is_flag=True, help="Show what is done once at deployment as well.")
@_output
def count(
    graph: Path, convention: str, ignore: tuple[str, ...], all_stages: bool, output: Path | None
) -> None:
    """Count the actions of GRAPH, a file that `smartsim trace` wrote."""
    from smartsim.counts import count_actions, save_counts
    from smartsim.graph import load_graph
    from smartsim.report.layers import render_counts

    counts = count_actions(load_graph(graph), _read_convention(convention), ignore=ignore)
    if output is not None:
        save_counts(counts, output)
    _show(output, render_counts(counts, everything=all_stages), counts.to_dict())


@cli.command()
@click.argument("counts", type=click.Path(path_type=Path))
@click.option("--table", default=_TABLE, show_default=True, help="Energy table: a name, or a path.")
@click.option(
    "--format", "plan", default="int8", show_default=True, help="Number format, or a plan's file."
)
@_per_switch
@click.option(
    "--graph", type=click.Path(path_type=Path), help="Trace of the same model, to price memory."
)
@click.option("--memory", default="", help="Memory level of the table; dram when a graph is given.")
@click.option("--memory-table", help="Another table for the memory.")
@click.option(
    "--encoding",
    default="bitmap",
    show_default=True,
    type=click.Choice(["dense", "bitmap", "csr", "run_length"]),
    help="How zeros are left out of stored weights.",
)
@click.option(
    "--weights", type=click.Path(path_type=Path), help="Safetensors, to count shift-adds in."
)
@click.option("--terms", default=2, show_default=True, help="Most powers of two of a weight.")
@_output
def energy(counts: Path, output: Path | None, **options: Any) -> None:
    """Price COUNTS, a file that `smartsim count` wrote, from a table of published energies."""
    from smartsim.cost import save_energy
    from smartsim.report.energy_pricing import choose_memory, price_counts_file
    from smartsim.report.energy_sections import render_sections
    from smartsim.report.energy_text import render_energy

    priced = price_counts_file(
        counts,
        options["table"],
        options["plan"],
        inferences_per_switch=options["inferences_per_switch"],
        memory=choose_memory(
            options["graph"], options["memory"], options["encoding"], options["memory_table"]
        ),
        weights=options["weights"],
        terms=options["terms"],
    )
    if output is not None:
        save_energy(priced.energy, output)
    text = render_energy(priced.energy, beside=priced.beside)
    if priced.sections:
        text += "\n" + render_sections(priced.sections, markdown=False)
    _show(output, text, priced.energy.to_dict())


@cli.command()
@click.argument("name", required=False)
def tables(name: str | None) -> None:
    """List the energy tables, or show the rows of one: unit, source, locator and basis."""
    from smartsim.cost import load_table
    from smartsim.report.energy_text import render_table, render_table_list

    click.echo(render_table(load_table(name)) if name else render_table_list(), nl=False)


def _show(output: Path | None, text: str, data: Any) -> None:
    """A table for a person; JSON for a pipe, unless it went to a file already."""
    if output is not None or sys.stdout.isatty():
        click.echo(text, nl=False)
        if output is not None:
            click.echo(f"written: {output}")
    else:
        import json

        click.echo(json.dumps(data))


def _read_convention(name: str) -> "Convention":
    from smartsim.counts import Convention, get_convention

    if not name.endswith(".toml"):
        return get_convention(name)
    import tomllib

    try:
        return Convention.from_dict(tomllib.loads(Path(name).read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name}: is no TOML: {error}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{name}: {error}") from error


@cli.group()
def report() -> None:
    """Compare models, as tables and figures."""


def _of_methods(command: Any) -> Any:
    """The options of a report that traces the four methods and the user's own models."""
    options = (
        click.option("--arch", default=_PAPER["arch"], show_default=True, help="Backbone."),
        click.option(
            "--classes", default=_PAPER["classes"], show_default=True, type=click.IntRange(1)
        ),
        click.option("--input", "shape", default=_INPUT, show_default=True, help="Input shape."),
        click.option("--film-dimension", default=1, show_default=True, help="OAT's code of lam."),
        click.option("--lam", default="0,1", show_default=True, help="Values of lam."),
        click.option("--add", multiple=True, help="A model of your own, package.module:callable."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@report.command()
@_of_methods
@click.option(
    "--results",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Result file of the evaluator, for measured CA and RA.",
)
@click.option("--convention", default="paper", show_default=True, help="Counting choices.")
@_ignore
@click.option("--energy", default="", help="Number formats to price, such as int8,fp32,shift8.")
@click.option("--table", "energy_table", default=_TABLE, show_default=True, help="Energy table.")
@_per_switch
@click.option(
    "--format",
    "formats",
    default="",
    help="Files to write, of md,tex,csv,json; without --output, the one format to print.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the files.")
def table2(**options: Any) -> None:
    """Compare PGD-AT, OAT, FLOAT and SMART as the SMART paper's Table 2 does.

    Each cell is published (the paper's), derived (counted from traced models) or measured (your
    own evaluation); the notes below the table say where they differ and why.
    """
    from smartsim.report.measured import load_measured
    from smartsim.report.provenance import collect_provenance
    from smartsim.report.published import load_published
    from smartsim.report.render import (
        FORMATS,
        check_formats,
        render_format,
        render_terminal,
        write_table2,
    )
    from smartsim.report.table2 import build_table2

    convention = _read_convention(options["convention"])
    formats = check_formats([f.strip() for f in options["formats"].split(",") if f.strip()])
    if options["output"] is None and len(formats) > 1:
        raise ConfigurationError("several formats need --output FOLDER; without it, name one")
    measured = load_measured(options["results"])
    is_paper = all(options[key] == value for key, value in _PAPER.items())
    traces = _trace_methods(options)
    table = build_table2(
        traces,
        setting=f"{options['arch']}, {options['classes']} classes, input {options['shape']}",
        convention=convention,
        published=load_published("smart2023_table2") if is_paper else None,
        measured=measured,
        provenance=collect_provenance(["smartsim", *sys.argv[1:]]),
        ignore=options["ignore"],
    )
    if options["energy"]:
        from smartsim.cost import load_table
        from smartsim.report.energy_rows import add_energy_rows

        table = add_energy_rows(
            table,
            traces,
            load_table(options["energy_table"]),
            [name.strip() for name in options["energy"].split(",") if name.strip()],
            convention=convention,
            inferences_per_switch=options["inferences_per_switch"],
            ignore=options["ignore"],
        )
    if options["output"] is None:
        click.echo(render_format(table, *formats) if formats else render_terminal(table), nl=False)
        return
    paths = write_table2(table, options["output"], formats or FORMATS)
    click.echo(render_terminal(table), nl=False)
    for path in paths:
        click.echo(f"written: {path}")


@report.command("energy-vs-bits")
@_of_methods
@click.option("--table", "tables", multiple=True, help="Energy table; the first is shown in full.")
@click.option("--convention", default="paper", show_default=True, help="Counting choices.")
@_per_switch
@_ignore
@click.option("--shift-readings", is_flag=True, help="Count shift-adds of the models' weights.")
@click.option("--format", "formats", default="svg,png,pdf,csv,md", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the files.")
def energy_vs_bits(**options: Any) -> None:
    """Plot the energy of an inference against bit width, for INT MACs, FP and shift-adds."""
    from smartsim.cost import load_table
    from smartsim.report.energy_report import (
        DEFAULT_TABLES,
        build_energy_report,
        check_formats,
        write_energy_report,
    )
    from smartsim.report.energy_sections import render_sections
    from smartsim.report.provenance import collect_provenance

    convention = _read_convention(options["convention"])
    tables = [load_table(name) for name in options["tables"] or DEFAULT_TABLES]
    formats = tuple(name.strip() for name in options["formats"].split(",") if name.strip())
    check_formats(formats)
    data, sections = build_energy_report(
        _trace_methods(options),
        tables,
        convention=convention,
        setting=f"{options['arch']}, {options['classes']} classes, input {options['shape']}",
        inferences_per_switch=options["inferences_per_switch"],
        ignore=options["ignore"],
        weights=_collect_method_weights(options) if options["shift_readings"] else None,
        weights_note="weights as the models are built, not trained; noise at its mean",
    )
    click.echo(render_sections(sections, markdown=False), nl=False)
    if options["output"] is not None:
        provenance = collect_provenance(["smartsim", *sys.argv[1:]])
        for path in write_energy_report(
            data, sections, options["output"], formats, provenance=provenance
        ):
            click.echo(f"written: {path}")


@report.command()
@_of_methods
@cli_simulate.of_machine
@click.option("--format-of-files", "formats", default="md,csv,json,svg,png", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the files.")
def switch(**options: Any) -> None:
    """Price what moving lam costs on an accelerator: what is reloaded, and what is computed."""
    from smartsim.cost import load_plan
    from smartsim.report.provenance import collect_provenance
    from smartsim.report.simulate_switch import build_switch_report
    from smartsim.report.simulate_switch_view import render_switch, write_switch

    accelerator, table = cli_simulate.read_machine(options)
    if table is None:
        raise ConfigurationError("a switch is priced in energy too; give --table a table's name")
    plan = load_plan(options["plan"])
    switches = build_switch_report(
        _trace_methods(options),
        accelerator,
        table,
        plan=plan,
        dram_level=options["dram"],
        setting=f"{options['arch']}, {options['classes']} classes, input {options['shape']}",
        provenance=collect_provenance(["smartsim", *sys.argv[1:]]),
    )
    click.echo(render_switch(switches), nl=False)
    if options["output"] is not None:
        formats = [name.strip() for name in options["formats"].split(",") if name.strip()]
        for path in write_switch(switches, options["output"], formats):
            click.echo(f"written: {path}")


def _collect_method_weights(options: dict[str, Any]) -> Any:
    """Effective weights of the four methods at the largest lam."""
    from smartsim.models import METHODS
    from smartsim.trace import collect_weights, load_model, parse_shape

    lam = max(_parse_lams(options["lam"]))
    return {
        _LABELS.get(method, method): collect_weights(
            load_model(_name_model(method, options)),
            parse_shape(options["shape"]),
            condition={"lam": lam},
        )
        for method in METHODS
    }


def _trace_methods(options: dict[str, Any]) -> "list[MethodTraces]":
    """The four methods, then the user's own models, each at every lam."""
    from smartsim.models import METHODS
    from smartsim.report.table2 import MethodTraces

    lams = _parse_lams(options["lam"])
    specs = {name: _name_model(name, options) for name in METHODS}
    total = len(lams) * (len(specs) + len(options["add"])) + 2
    traces = []
    with _progress(total, "tracing") as bar:
        for method, spec in specs.items():
            paths = _trace_paths(spec, options["shape"], lams, bar)
            frozen = None
            if METHODS[method].noisy and 1.0 in lams:
                variant = f"{spec},noise=frozen"
                frozen = _trace_paths(variant, options["shape"], (1.0,), bar)[1.0]
            label = _LABELS.get(method, method)
            traces.append(MethodTraces(label=label, paths=paths, frozen=frozen))
        for name in options["add"]:
            label = name.rpartition(":")[2]
            if label in [trace.label for trace in traces]:
                label = name
            paths = _trace_paths(name, options["shape"], lams, bar)
            traces.append(MethodTraces(label=label, paths=paths))
    return traces


def _name_model(method: str, options: dict[str, Any]) -> str:
    film = f",film_dimension={options['film_dimension']}" if method == "oat" else ""
    return f"{method}:{options['arch']}:classes={options['classes']}{film}"


def _parse_lams(text: str) -> tuple[float, ...]:
    try:
        lams = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigurationError(
            f"--lam {text!r} must be numbers in [0, 1], such as 0,1"
        ) from error
    if not all(0 <= lam <= 1 for lam in lams):
        raise ConfigurationError(f"--lam {text!r} must be numbers in [0, 1], such as 0,1")
    return tuple(dict.fromkeys(lams))


def _trace_paths(name: str, shape: str, lams: tuple[float, ...], bar: Any) -> "dict[float, Graph]":
    """One model's traces at each lam; a model that takes no lam is the same at each."""
    from smartsim.trace import load_model, parse_shape, takes_argument, trace_model

    model = load_model(name)
    is_conditional = takes_argument(model, "lam")
    paths: dict[float, Graph] = {}
    for lam in lams:
        bar.set_postfix_str(f"{name} at lam = {lam:g}")
        if is_conditional or not paths:
            condition = {"lam": lam} if is_conditional else {}
            paths[lam] = trace_model(model, parse_shape(shape), condition=condition, name=name)
        else:
            paths[lam] = next(iter(paths.values()))
        bar.update()
    return paths


def _progress(total: int, what: str) -> Any:
    """A bar on stderr for a terminal, nothing in a pipe."""
    from tqdm import tqdm

    return tqdm(total=total, desc=what, disable=None, leave=False)


for _verb in (cli_train.data, cli_train.train, cli_train.evaluate):
    cli.add_command(_verb)
for _verb in (cli_simulate.simulate, cli_simulate.sweep, cli_simulate.accelerators):
    cli.add_command(_verb)


def main() -> None:
    """Entry point of the `smartsim` command."""
    cli(prog_name="smartsim")
