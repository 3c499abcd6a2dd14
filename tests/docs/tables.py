"""Tables of the documents that scripts write, between two comments of a page."""


def put(page: str, begin: str, end: str, lines: list[str]) -> str:
    """The page with these lines between its comments."""
    head, rest = page.split(begin)
    return f"{head}{begin}{''.join(lines)}{end}{rest.split(end)[1]}"
