"""A report in sections: a title, a small table, what it means; as Markdown or for a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from smartsim.report.style.text import grid, markdown_grid, wrap_all

__all__ = ["Section", "render_sections"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A titled table with remarks.

    Attributes:
        title: Heading.
        head: Column headings.
        rows: Cells as text.
        remarks: Sentences below the table.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    remarks: tuple[str, ...] = ()


def render_sections(sections: Sequence[Section], *, markdown: bool) -> str:
    """Sections as Markdown, or as plain text for a terminal."""
    parts = []
    for section in sections:
        if markdown:
            parts += [f"## {section.title}", markdown_grid(section.rows, section.head)]
            parts += [f"- {remark}" for remark in section.remarks]
        else:
            parts.append(wrap_all([section.title], "  "))
            parts.append(grid(section.rows, section.head))
            parts += [wrap_all([remark]) for remark in section.remarks]
    return "\n\n".join(parts) + "\n"
