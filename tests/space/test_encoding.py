"""Architectures as vectors."""


def test_encoding_is_of_one_length_and_tells_architectures_apart(tiny):
    specs = {spec.hash: spec for spec in map(tiny.sample, range(200))}
    vectors = [tuple(tiny.encode(spec)) for spec in specs.values()]
    assert len({len(vector) for vector in vectors}) == 1
    assert len(set(vectors)) == len(specs)
    assert all(value == -1 or 0 <= value <= 1 for vector in vectors for value in vector)
