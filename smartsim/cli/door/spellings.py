"""Spellings of the version before, and `--json` without a value: read before click reads."""

from collections.abc import Collection, Mapping

from smartsim.cli.door.answer import warn

__all__ = ["read_spellings"]

_FILE_KINDS = ("md", "tex", "csv", "json", "html", "svg", "png", "pdf")


def read_spellings(
    args: list[str], options: Collection[str], renamed: Mapping[str, str]
) -> list[str]:
    """The words of the command line in the spelling of this version.

    `--json` alone is indented; an option that was renamed is called by its new name, and
    `--format` with kinds of files is `--files`. Each old spelling is answered with a line on
    stderr.

    Args:
        args: The words behind the verb.
        options: The options that the verb has.
        renamed: Old spelling of an option -> the new one.

    >>> read_spellings(["graph.json", "--json"], ["--json"], {})
    ['graph.json', '--json=indented']
    """
    words: list[str] = []
    for place, word in enumerate(args):
        name, equals, value = word.partition("=")
        given = value if equals else next(iter(args[place + 1 :]), "")
        new = renamed.get(name)
        if word == "--":
            return words + args[place:]
        if word == "--json" and "--json" in options:
            words.append("--json=indented")
        elif name == "--format" and "--files" in options and _are_kinds(given):
            _warn(args, f"--format is a number format; --files {given} says which files to write")
            words.append("--files" + equals + value)
        elif new is not None:
            _warn(args, f"{name} is now called {new}")
            words.append(new + equals + value)
        else:
            words.append(word)
    return words


def _are_kinds(text: str) -> bool:
    return all(part.strip() in _FILE_KINDS for part in text.split(","))


def _warn(args: list[str], sentence: str) -> None:
    if not {"-q", "--quiet"} & set(args):
        warn(f"{sentence}; the old spelling goes with the next version")
