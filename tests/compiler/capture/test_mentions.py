"""What code does with what it names is told from its instructions, the same under each Python."""

from clearprop.compiler.capture.mentions import mentions_in


def told(function):
    return [(m.name, m.how, m.to) for m in mentions_in(function.__code__)]


def kept_then_used(a, b):
    c = a
    d = b
    z = c[d is None]
    return z, c.k


def test_two_names_of_one_instruction_are_two():
    found = told(kept_then_used)

    assert found[:4] == [("a", "keeps", "c"), ("b", "keeps", "d"), ("c", "entry", ""), ("d", "looks", "")]
    assert ("c", "attribute", "k") in found


def handed(x, held):
    y = x
    other = held
    return work(y, other.size)  # noqa: F821


def test_what_is_handed_on_is_told_from_what_is_asked_for_an_attribute():
    found = told(handed)

    assert ("y", "hands", "work") in found
    assert ("other", "attribute", "size") in found
    assert ("other", "hands", "work") not in found


def handed_by_name(x, held):
    return work(x, y=held)  # noqa: F821


def test_what_is_handed_on_by_name_is_handed_on():
    assert ("held", "hands", "work") in told(handed_by_name)
