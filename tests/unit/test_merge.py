"""How a scenario's changes are laid over the one that it starts from."""

from hypothesis import given
from hypothesis import strategies as st

from doublehop.catalogue import merge

keys = st.sampled_from("abcd")
trees = st.recursive(
    st.dictionaries(keys, st.integers() | st.booleans() | st.lists(st.integers(), max_size=2), max_size=3),
    lambda inner: st.dictionaries(keys, inner | st.integers(), max_size=3), max_leaves=8,
)


def leaves(tree, path=()):
    """Path to value of everything that is no table; an empty table is a leaf."""
    found: dict[tuple[str, ...], str] = {}
    for key, value in tree.items():
        is_table = isinstance(value, dict) and value
        found |= leaves(value, (*path, key)) if is_table else {(*path, key): repr(value)}
    return found


def is_beside(path, others):
    """Whether a path is neither above nor below any of the others."""
    return not any(path[: len(each)] == each[: len(path)] for each in others)


@given(trees)
def test_merging_nothing_changes_nothing(tree):
    assert merge(tree, {}) == tree == merge({}, tree)


@given(trees, trees)
def test_leaves_beside_a_change_stay_and_none_is_invented(base, change):
    old, new, merged = leaves(base), leaves(change), leaves(merge(base, change))
    assert {path: value for path, value in old.items() if is_beside(path, new)}.items() <= merged.items()
    assert merged.items() <= (old | new).items() | old.items()


@given(trees, trees)
def test_a_change_wins(base, change):
    changed = {path: value for path, value in leaves(change).items() if value != "{}"}
    assert changed.items() <= leaves(merge(base, change)).items()


@given(trees, trees)
def test_merging_leaves_its_arguments_alone(base, change):
    before = repr(base), repr(change)
    merge(base, change)
    assert (repr(base), repr(change)) == before


@given(trees, trees)
def test_merging_twice_is_merging_once(base, change):
    once = merge(base, change)
    assert merge(once, change) == once
