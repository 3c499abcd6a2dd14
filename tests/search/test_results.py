"""Fronts, by hand."""

from vitdsl.search.results import dominates, gains, pareto

POINTS = [(1, 0.5), (2, 0.5), (2, 0.7), (3, 0.6), (1, 0.5), (9, 0.8)]


def front(directions, points=POINTS):
    return pareto(enumerate(points), directions)


def test_a_front_has_what_nothing_dominates():
    assert front(("minimize", "maximize")) == [0, 4, 2, 5]  # the first and the fifth are equal
    assert front(("maximize", "maximize")) == [5]
    assert front(("minimize", "minimize")) == [0, 4]
    assert front(("maximize",), [(0.5,), (0.8,), (0.8,)]) == [1, 2]
    assert front(("maximize",), []) == []


def test_a_front_of_many_is_that_of_the_definition():
    points = [(index * 7 % 31, index * 11 % 29, index * 13 % 23) for index in range(200)]
    directions = ("minimize", "maximize", "maximize")
    values = [gains(point, directions) for point in points]
    wanted = {index for index, own in enumerate(values) if not any(dominates(other, own) for other in values)}
    assert 3 < len(wanted) < 150
    assert set(front(directions, points)) == wanted
