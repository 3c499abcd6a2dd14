"""The pages of searches, read as a browser reads them."""

import json
from html.parser import HTMLParser

VOID = {"meta", "img", "input", "br", "hr", "link", "wbr"}


class Elements(HTMLParser):
    """The elements of a page, the texts of its scripts, and whether every element ends."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.found, self.scripts, self.texts = [], [], {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[len([tag for tag, _ in self.found if tag == "script"])] = data
        else:
            self.texts.append(data)


def read(text):
    """The elements of a page, and its data."""
    made = Elements(text)
    assert not made.open
    (data,) = [json.loads(made.scripts[index]) for index, (tag, attrs) in enumerate(
        [entry for entry in made.found if entry[0] == "script"], 1) if attrs.get("id") == "data"]  # fmt: skip
    return made, data
