"""What every record can do beside holding its fields: be shown, tabulated, and written as JSON.

Records lie in rooms that know no pandas and no drawing. These methods ask `smartsim.report` at the
moment they are called, by its name, so that a room below never imports the room above it.
"""

import importlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from smartsim.records.document import document_of
from smartsim.records.files import read_object

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Shown"]


class Shown:
    """Methods of a record; how it is written says the `Document` beside it."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON-ready values."""
        return document_of(type(self)).to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a record from `to_dict`'s values.

        Raises:
            FileFormatError: If a field is missing, unknown, or holds what it cannot hold.
        """
        return document_of(cls).from_dict(data)  # type: ignore[no-any-return]

    def to_json(self, indent: int | None = None) -> str:
        """The record as JSON text."""
        separators = (",", ":") if indent is None else None
        return json.dumps(self.to_dict(), indent=indent, separators=separators, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Rebuild a record from `to_json`'s text.

        Raises:
            FileFormatError: If it is no JSON, or something else.
        """
        return cls.from_dict(read_object(text))

    def to_dataframe(self) -> "pd.DataFrame":
        """The record as a pandas data frame, a row an item."""
        return _views().frame_of(self)  # type: ignore[no-any-return]

    def plot(self) -> "Figure":
        """Bars by layer, as a matplotlib figure.

        Raises:
            ConfigurationError: If there is nothing in the record to draw.
        """
        return _views().plot_record(self)  # type: ignore[no-any-return]

    def _repr_html_(self) -> str:
        return str(_views().render_html(self))


def _views() -> Any:
    return importlib.import_module("smartsim.report.summary.views")
