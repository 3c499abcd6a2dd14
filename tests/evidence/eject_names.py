"""Whatever something is called, its ejected file computes the same: `python -m tests.evidence.eject_names [COUNT]`.

Each of the twenty places of a file where a name may stand is tried with COUNT names (250), so 5,000 files in all.
"""

import sys
import time

from tests.compiler.test_eject_names import check, names_of
from tests.compiler.test_names import PLACES


def main() -> None:
    """Prints, by place, how many names were accepted; the first file that computes something else ends it."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 250
    start = time.perf_counter()
    for place in PLACES:
        print(f"{place}: {check(place, names_of(place, count))} of {count} accepted, all compute the same", flush=True)
    print(f"{count * len(PLACES):,} files, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
