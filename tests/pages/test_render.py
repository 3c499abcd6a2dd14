"""Pages are filled with texts, never with markup."""

import json

import pytest

from vitdsl.pages import render, shown

EVIL = "</script><script>alert('x')</script>"


def test_texts_are_escaped_and_data_ends_no_script(tmp_path):
    (tmp_path / "page.html").write_text(
        '{% include "base.css" %}<p>{{ text }}</p><script>{{ data | tojson }}</script>{{ text | twice }}'
    )
    page = render(tmp_path, "page.html", {"text": EVIL, "data": {"a": EVIL}}, {"twice": lambda text: 2 * text})
    assert page.startswith("body {")
    assert page.count("<script>") == page.count("</script>") == 1
    assert json.loads(page.partition("<script>")[2].partition("</script>")[0]) == {"a": EVIL}


def test_what_is_no_number_of_json_is_refused(tmp_path):
    (tmp_path / "page.html").write_text("{{ data | tojson }}")
    with pytest.raises(ValueError, match="not JSON compliant"):
        render(tmp_path, "page.html", {"data": float("nan")})


def test_what_hides_is_shown():
    assert shown("a\x1b[2J\nb\u202ec\td\ud800") == "a\\x1b[2J\nb\\u202ec d\\ud800"
