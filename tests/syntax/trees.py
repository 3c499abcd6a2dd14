"""Plain trees by lot: what a file may hold."""

from hypothesis import strategies as st

WORDS = st.text(st.sampled_from("abnoyesruftlx017.:-+~#$%&*!|>'\"[]{},@` \n\\_éß日"), max_size=6)
NUMBERS = (
    st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: str(x) != "-0.0")
    | st.sampled_from([0, 1, 0.0, 1.0, 1e16, 1e-7])
)
SCALARS = st.none() | st.booleans() | NUMBERS | WORDS
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=12
)
