"""Terms as they are kept: equal ones hash alike, and a hash is found once for each term."""

import copy
import pickle

from clearprop.see.algebra.notation import Term, name, number


def test_a_term_that_shares_its_parts_is_hashed_in_as_many_steps_as_it_has_parts():
    """It took two for each two of them: 2 to the power of 200 here."""
    term = name("x")
    for _ in range(200):
        term = Term("add", (term, term))

    assert hash(term) == hash(term)


def test_equal_terms_hash_alike_and_a_hash_stays_in_its_process():
    one, other = (Term("add", (name("x"), number(2))) for _ in range(2))
    found = hash(one)
    sent = pickle.loads(pickle.dumps(one))

    assert (one, found) == (other, hash(other))
    assert not hasattr(sent, "_hash")
    assert (sent, hash(sent)) == (one, found)
    assert hash(copy.deepcopy(one)) == found
