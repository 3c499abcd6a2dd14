"""What the codes of errors mean."""

import pytest

from vitdsl.errors import InputError
from vitdsl.errors.catalogue import explanation, explanations


def test_a_code_has_its_explanation():
    found = explanation("E201")
    assert (found.code, found.title, found.group) == ("E201", "unknown key", "Keys, values and fields")
    assert found.text.startswith("A mapping has a key that nothing here reads.")
    assert "```yaml wrong" in found.text
    assert "E202" not in found.text


@pytest.mark.parametrize("written", ["e201", " E201 "])
def test_case_and_blanks_do_not_count(written):
    assert explanation(written) is explanation("E201")


def test_codes_are_in_order():
    assert [*explanations()] == sorted(explanations())
    assert all(each.text and each.title and each.group for each in explanations().values())


def test_a_code_that_there_is_not_is_answered_with_the_nearest():
    with pytest.raises(InputError) as caught:
        explanation("X201")
    assert str(caught.value) == "there is no code `X201` [E205]\n  hint: did you mean 'E201'?"
    with pytest.raises(InputError) as caught:
        explanation("nothing like it")
    assert caught.value.problems[0].hint == "`vitdsl explain` lists all codes"
