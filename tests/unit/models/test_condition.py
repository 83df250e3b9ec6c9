"""lam: what it may be, and where it leads."""

import math

import pytest
import torch

from smartsim.errors import ConfigurationError
from smartsim.models import build_model, make_condition


@pytest.mark.parametrize("lam", [-0.1, 1.0001, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("method", ["pgdat", "oat", "float", "smart"])
def test_a_lam_outside_0_to_1_is_an_error_under_every_method(lam: float, method: str) -> None:
    model = build_model(method, "resnet8", width=0.25)
    x = torch.zeros(2, 3, 8, 8)
    for given in (lam, torch.tensor(lam), torch.tensor([0.0, lam])):
        with pytest.raises(ConfigurationError, match=r"lam is .*; it must be in \[0, 1\]"):
            model(x, given)


@pytest.mark.parametrize("shape", [(2, 1), (0,), (1, 1)])
def test_a_lam_of_another_shape_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigurationError, match="lam has shape"):
        make_condition(torch.zeros(shape))


def test_a_lam_without_a_value_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="meta device"):
        make_condition(torch.zeros((), device="meta"))


@pytest.mark.parametrize("given", ["high", None, [0.5]])
def test_a_lam_that_is_no_number_is_an_error(given: object) -> None:
    with pytest.raises(ConfigurationError, match=r"lam is .*; it must be a number"):
        make_condition(given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lam", "path"), [(0, "clean"), (-0.0, "clean"), (1e-9, "adversarial"), (1, "adversarial")]
)
def test_only_a_lam_of_0_is_clean(lam: float, path: str) -> None:
    assert make_condition(lam).path == path
    assert make_condition(torch.tensor(float(lam))).path == path


def test_samples_with_lam_0_go_first_and_otherwise_keep_their_order() -> None:
    condition = make_condition(torch.tensor([0.4, 0.0, 1.0, 0.0]))
    assert condition.path == "mixed"
    assert condition.clean_count == 2
    assert condition.order is not None
    assert condition.order.tolist() == [1, 3, 0, 2]
    assert isinstance(condition.lam, torch.Tensor)
    torch.testing.assert_close(condition.lam, torch.tensor([0.0, 0.0, 0.4, 1.0]))
    sorted_one = make_condition(torch.tensor([0.0, 0.4]))
    assert sorted_one.order is None
    assert make_condition(torch.zeros(3)).path == "clean"
    assert make_condition(torch.ones(3)).path == "adversarial"
