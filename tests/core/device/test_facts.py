"""A fact that every reply states is proven by two replies in a row."""

from riglog.device import StatedFacts


def test_the_first_reply_proves_nothing_and_the_second_does() -> None:
    facts = StatedFacts()
    assert [facts.prove({"unit": "g"}) for _ in range(3)] == [False, True, True]


def test_one_reply_that_contradicts_is_not_proven_and_changes_nothing() -> None:
    facts = StatedFacts()
    stated = ["g", "g", "kg", "g", "kg", "g", "g"]
    assert [facts.prove({"unit": unit}) for unit in stated] == [False, True, False, True, False, True, True]


def test_two_in_a_row_are_a_change_of_the_setting() -> None:
    facts = StatedFacts()
    stated = ["g", "g", "kg", "kg", "kg", "g"]
    assert [facts.prove({"unit": unit}) for unit in stated] == [False, True, False, True, True, False]


def test_two_replies_that_contradict_each_other_prove_neither() -> None:
    facts = StatedFacts()
    assert not any(facts.prove({"unit": unit}) for unit in ("g", "kg", "mg"))


def test_what_a_reply_does_not_state_it_neither_proves_nor_contradicts() -> None:
    facts = StatedFacts()
    first, second = {"unit": "g", "decimals": 3}, {"unit": None, "decimals": 3}
    assert [facts.prove(stated) for stated in (first, first, second, first)] == [False, True, True, True]


def test_a_second_reply_that_states_less_does_not_prove_the_rest() -> None:
    facts = StatedFacts()
    assert not facts.prove({"unit": "g", "decimals": 3})
    assert facts.prove({"unit": None, "decimals": 3})
    assert not facts.prove({"unit": "g", "decimals": 3})
    assert facts.prove({"unit": "g", "decimals": 3})
