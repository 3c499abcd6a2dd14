"""Groups of parameters, as optimizers ask for them."""

import pytest
from timm.models import group_parameters

from tests.compiler.small import SMALL, small


@pytest.mark.parametrize("name", list(SMALL))
def test_every_parameter_has_a_group(name):
    model = small(name)
    groups = group_parameters(model, model.group_matcher(), reverse=True)
    last = max(groups.values())
    assert {name for name, number in groups.items() if number == last} == {
        name for name, _ in model.named_parameters() if name.startswith("head.")
    }
    assert groups[next(iter(dict(model.named_parameters())))] == 0
    order = [groups[f"{info['module']}.{key}"] for info in model.feature_info for key in _first(model, info["module"])]
    assert order == sorted(order)


def _first(model, path):
    return [name for name, _ in model.get_submodule(path).named_parameters()][:1]
