"""ERROR or CALL STACK -> the line of the user's code that it is about."""

import linecache
import sys
import traceback
from pathlib import Path

__all__ = ["user_line"]


def user_line(error: BaseException | None = None, *, short: bool = False) -> str:
    """File and line of the innermost frame that is neither torch's nor ours.

    Short, it names the file alone, so that a graph is the same wherever it was traced.
    """
    if error is None:
        frames = traceback.walk_stack(sys._getframe(1))
    else:
        frames = reversed(list(traceback.walk_tb(error.__traceback__)))
    for frame, number in frames:
        module, file = str(frame.f_globals.get("__name__", "")), frame.f_code.co_filename
        ours = module == "torch" or module.startswith(("torch.", "smartsim.trace."))
        if not ours and "<" not in file:
            name = Path(file).name if short else file
            return f"{name}:{number} ({linecache.getline(file, number, frame.f_globals).strip()})"
    return "an unknown line"
