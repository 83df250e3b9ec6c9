"""What every record can do beside holding its fields: be shown, tabulated, and written as JSON.

Records lie in rooms that know no pandas and no drawing. These methods ask `smartsim.report` at the
moment they are called, by its name, so that a room below never imports the room above it.
"""

import importlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Shown"]


class Shown:
    """Methods of a record for people; the record brings `to_dict` and `from_dict`."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON-ready values."""
        raise NotImplementedError

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Any:
        """Rebuild a record from `to_dict`'s values."""
        raise NotImplementedError

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
        from smartsim.records.files import read_object

        return cls.from_dict(read_object(text))  # type: ignore[no-any-return]

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
