"""Where the cost models lie: inside the package in a wheel, beside it in a checkout.

The one place that knows. `importlib.resources` alone would fail without a word in an editable
install, where the folder is not inside the package.
"""

from pathlib import Path

from smartsim.errors import ConfigurationError

__all__ = ["cost_models_folder"]

_PACKAGE = Path(__file__).resolve().parent.parent


def cost_models_folder(package: Path = _PACKAGE) -> Path:
    """The folder of the shipped tables and their `sources.toml`.

    Args:
        package: Folder of the `smartsim` package.

    Raises:
        ConfigurationError: If the folder is in neither place.

    >>> (cost_models_folder() / "sources.toml").is_file()
    True
    """
    inside, beside = package / "cost_models", package.parent / "cost_models"
    for folder in (inside, beside):
        if (folder / "sources.toml").is_file():
            return folder
    raise ConfigurationError(
        f"the cost models are neither in {inside} nor in {beside}; "
        "install smartsim again, or give a table by its path"
    )
